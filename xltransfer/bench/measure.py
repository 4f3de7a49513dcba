"""Measure time (alternating in one process), memory (on a CPU in a process each) and error (against float64)."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from xltransfer.bench.candidates import Step, make_step
from xltransfer.bench.roofline import operations, peak_speed, roofline
from xltransfer.bench.setting import BenchSetting
from xltransfer.testing.problems import relative_error
from xltransfer.training.device import allocated_memory, choose_device, peak_memory, reset_peak_memory
from xltransfer.utils.parameters import Gradients
from xltransfer.utils.timing import seconds_of

Progress = Callable[[str], None]
_FEWEST = 3
"""Repeats from which time may end them."""


@dataclass(frozen=True)
class Wanted:
    """What to measure: `repeats` timed steps of each candidate, memory, error.

    After `seconds` no further repeat is begun, but for the first three.
    """

    repeats: int = 7
    memory: bool = False
    error: bool = False
    seconds: float = math.inf


@dataclass(frozen=True)
class Measured:
    """Measurements of one candidate. `seconds` is the median; ratios are within one run."""

    name: str
    seconds: float
    quartiles: tuple[float, float]
    ratio: float | None
    """Its time relative to joint training."""
    speedup: float | None
    """Time of the released procedure relative to its own, where measured."""
    tokens_a_second: float
    operations: int
    """Floating-point operations of its matrix products."""
    roofline: float | None
    """Share of its time that its operations need at the speed of a large matrix product; None if that is above 1."""
    peak_bytes: int | None
    error: float | None
    """Relative error of the meta-gradient against float64."""

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON."""
        return dataclasses.asdict(self)


def measure(setting: BenchSetting, names: list[str], wanted: Wanted, progress: Progress) -> list[Measured]:
    """Time `names` alternately after a warm-up. Raises UserError."""
    device = choose_device(setting.device)
    steps, gradients, counted, peaks = {}, {}, {}, {}
    for name in names:
        progress(f"preparing {name}")
        before = allocated_memory(device)
        steps[name] = make_step(name, setting)
        steps[name]()  # a first step may do more than those that are timed: backend auto tries its modes
        reset_peak_memory()
        gradients[name], counted[name] = operations(steps[name])
        peaks[name] = peak_memory(device) - before
    times = _timed(steps, wanted, progress)
    steps.clear()
    medians = {name: statistics.median(values) for name, values in times.items()}
    precisions = {name: name.partition("@")[2] or setting.precision for name in names}
    speeds = {precision: peak_speed(device, precision) for precision in set(precisions.values())}
    exact = _exact(setting, progress) if wanted.error else None
    found = []
    for name in names:
        if wanted.memory and device.type == "cpu":  # its peak is that of a process
            progress(f"memory of {name}")
            peaks[name] = _peak(setting, name)
        found.append(
            Measured(
                name,
                medians[name],
                _middle_half(times[name]),
                medians[name] / medians["joint"] if "joint" in medians else None,
                medians["released"] / medians[name] if "released" in medians else None,
                2 * setting.batch * setting.length / medians[name],
                counted[name],
                roofline(counted[name], speeds[precisions[name]], medians[name]),
                peaks[name] if wanted.memory else None,
                _error(gradients[name], exact),
            )
        )
    return found


def _timed(steps: dict[str, Step], wanted: Wanted, progress: Progress) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    started = time.monotonic()
    for repeat in range(wanted.repeats):
        if repeat >= _FEWEST and time.monotonic() - started > wanted.seconds:
            break
        for name, step in steps.items():
            progress(f"{name}: repeat {repeat + 1} of {wanted.repeats}")
            times[name].append(seconds_of(step))
    return times


def _middle_half(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def _exact(setting: BenchSetting, progress: Progress) -> Gradients:
    progress("exact meta-gradient in float64")
    return make_step("func", dataclasses.replace(setting, dtype=torch.float64, precision="fp32"))()


def _error(found: Gradients, exact: Gradients | None) -> float | None:
    if not found or exact is None:
        return None
    return relative_error({name: gradient.double() for name, gradient in found.items()}, exact)


def _peak(setting: BenchSetting, name: str) -> int:
    """Measure the peak resident set of a process over two steps, in bytes."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_two_steps, (setting, name, torch.get_num_threads()))


def _two_steps(setting: BenchSetting, name: str, threads: int) -> int:
    torch.set_num_threads(threads)
    step = make_step(name, setting)
    for _ in range(2):
        step()
    return peak_memory(choose_device(setting.device))
