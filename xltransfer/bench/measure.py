"""Timing in turns within one process, memory in a process of its own, error against float64."""

from __future__ import annotations

import dataclasses
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from xltransfer.backends.base import Gradients
from xltransfer.bench.candidates import Step, step_of
from xltransfer.bench.setting import BenchSetting
from xltransfer.testing.problems import relative_error
from xltransfer.training.device import choose_device, peak_memory

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """One candidate. `ratio` is to joint training in the same run; `error` of the meta-gradient, relative."""

    name: str
    seconds: float
    ratio: float | None
    tokens_a_second: float
    peak_bytes: int | None
    error: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def measure(
    setting: BenchSetting, names: list[str], repeats: int, memory: bool, error: bool, progress: Progress
) -> list[Measured]:
    """Time `names` in turns, `repeats` times each after a warm-up. Raises UserError."""
    times: dict[str, list[float]] = {name: [] for name in names}
    gradients: dict[str, Gradients] = {}
    steps = {}
    for name in names:
        progress(f"preparing {name}")
        steps[name] = step_of(name, setting)
        gradients[name] = steps[name]()
    device = choose_device(setting.device)
    for repeat in range(repeats):
        for name in names:
            progress(f"{name}: repeat {repeat + 1} of {repeats}")
            times[name].append(_seconds(steps[name], device))
    steps.clear()
    medians = {name: statistics.median(values) for name, values in times.items()}
    exact = _exact(setting, progress) if error else None
    tokens = 2 * setting.batch * setting.length
    found = []
    for name in names:
        if memory:
            progress(f"memory of {name}")
        found.append(
            Measured(
                name,
                medians[name],
                medians[name] / medians["joint"] if "joint" in medians else None,
                tokens / medians[name],
                _peak(setting, name) if memory else None,
                _error(gradients[name], exact),
            )
        )
    return found


def _seconds(step: Step, device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    step()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _exact(setting: BenchSetting, progress: Progress) -> Gradients:
    progress("exact meta-gradient in float64")
    return step_of("func", dataclasses.replace(setting, dtype=torch.float64, precision="fp32"))()


def _error(found: Gradients, exact: Gradients | None) -> float | None:
    if not found or exact is None:
        return None
    return relative_error({name: gradient.double() for name, gradient in found.items()}, exact)


def _peak(setting: BenchSetting, name: str) -> int:
    """Largest resident set (or GPU allocation) of a process that takes two steps."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_two_steps, (setting, name, torch.get_num_threads()))


def _two_steps(setting: BenchSetting, name: str, threads: int) -> int:
    torch.set_num_threads(threads)
    step = step_of(name, setting)
    for _ in range(2):
        step()
    return peak_memory(choose_device(setting.device))
