"""The table of a GPU's meta-step: XLM-R base, then compiled, then large, what matters first, until the time is up.

python benchmarks/gpu.py gpu.json              # at most eight minutes; read ratios to joint within a part
python benchmarks/gpu.py toy.json --rehearse   # the embedded encoder on a CPU, to see that all of it runs

The file is written anew after each part. Seconds are medians by CUDA events; memory is the peak of a step alone; errors
are against float64.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

from xltransfer.bench.candidates import BASELINES, candidates
from xltransfer.bench.measure import Wanted, measure
from xltransfer.bench.setting import BenchSetting, layer_total
from xltransfer.cli.bench import print_measured
from xltransfer.errors import UserError
from xltransfer.training.device import choose_device
from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json

EXACT = ("joint", "released", "func", "fd", "fd:scheme=one-sided")
PEERS = ("higher-plain", "learn2learn-plain", "torchopt-plain")
HALF = tuple(f"{name}@{precision}" for precision in ("tf32", "bf16") for name in ("joint", "func", "fd"))
BASE, LARGE = "random:xlm-roberta-base", "random:xlm-roberta-large"
SHAPES = ((10, 32), (64, 200), (64, 32), (10, 200))
"""Sentences and subwords of a batch."""
WANTED = Wanted(repeats=15, seconds=10.0, memory=True, error=True)
FAULTS = (UserError, RuntimeError, ImportError)
"""What one candidate may fail with, out of memory among it, while the others go on."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One table: a setting and the candidates to time in it."""

    setting: BenchSetting
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """As in `xlm-roberta-base, layer 12, 10 x 32`."""
        one = self.setting
        compiled = ", compiled" if one.compile else ""
        return f"{one.encoder.removeprefix('random:')}, layer {one.layer[0]}, {one.batch} x {one.length}{compiled}"


def main() -> None:
    """Measure parts until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    started = time.monotonic()
    device = choose_device("cpu" if arguments.rehearse else "cuda").type
    absent = [name for name in PEERS if name not in candidates()]
    written: dict[str, Any] = {"machine": environment(), "absent": absent, "parts": [], "left_out": []}
    for name in absent:
        print(f"{name}: cannot be imported here and is left out")
    longest = 0.0
    for part in parts(device, arguments.rehearse, absent):
        begun = time.monotonic()
        if begun - started + longest > 60 * arguments.minutes:
            written["left_out"].append(part.title)
            continue
        wanted = Wanted(repeats=1, error=True) if arguments.rehearse else WANTED
        written["parts"].append(_measured(part, wanted))
        longest = max(longest, time.monotonic() - begun)
        write_json(arguments.file, written)
    write_json(arguments.file, written)
    if written["left_out"]:
        print(f"no time for: {'; '.join(written['left_out'])}")


def parts(device: str, toy: bool, absent: list[str]) -> list[Part]:
    """All parts, what matters first."""
    exact = tuple(name for name in (*EXACT, *PEERS, *HALF) if name not in absent)
    ours = tuple(name for name in exact if name.partition("@")[0] not in BASELINES or name.startswith("joint"))
    if toy:
        exact, ours = (tuple(name for name in names if "@" not in name) for names in (exact, ours))
    base, large = ("tiny", "tiny") if toy else (BASE, LARGE)
    shapes = ((2, 8),) if toy else SHAPES

    def part(encoder: str, layer: int, shape: tuple[int, int], names: tuple[str, ...], compiled: bool = False) -> Part:
        return Part(BenchSetting(encoder, layer=(layer,), batch=shape[0], length=shape[1], device=device,
                                 compile=compiled and not toy), names)  # fmt: skip

    last, top = layer_total(BenchSetting(base)), layer_total(BenchSetting(large))
    found = [part(base, layer, shape, exact) for shape in shapes for layer in (last, 2)]
    found += [part(base, layer, shapes[0], ours, compiled=True) for layer in (last, 2)]
    found += [part(large, layer, shapes[0], exact) for layer in (top, 2)]
    return found[:3:2] if toy else found


def _measured(part: Part, wanted: Wanted) -> dict[str, Any]:
    """The figures of a part; without candidates that fail, which are named."""
    names, failed = list(part.names), dict[str, str]()
    while names:
        try:
            found = measure(part.setting, names, wanted, lambda text: None)
        except FAULTS as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            print_measured(part.title, found)
            return {"title": part.title, "failed": failed, "steps": [one.to_dict() for one in found]}
        wrong = next((name for name in names if _fails(part.setting, name)), "all")
        failed[wrong] = reason
        print(f"{part.title}: {wrong}: {reason}")
        names = [name for name in names if name != wrong and wrong != "all"]
    return {"title": part.title, "failed": failed, "steps": []}


def _fails(setting: BenchSetting, name: str) -> bool:
    try:
        measure(setting, [name], Wanted(repeats=1), lambda text: None)
    except FAULTS:
        return True
    return False


if __name__ == "__main__":
    main()
