"""What an epoch of the real job costs: joint training, MetaXL, and MetaXL on the whole vocabulary with
nothing fused, and the first two in batches of like length.

    python benchmarks/epoch.py benchmarks/results/cpu-epoch.json

1000 English and 100 Swahili sentences of WikiAnn, the small multilingual encoder, data loading and optimiser included,
scoring of dev left out. The configurations take turns, seed by seed; every seed's ratios are of neighbouring runs.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xltransfer import RunConfig, run
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json

SHARED = Path(__file__).parents[2] / "shared"
JOB = {"data": str(SHARED / "data/ner"), "source": ["en"], "target": "sw", "layer": 3, "lr": 5e-4, "epochs": 3,
       "encoder": str(SHARED / "encoders/xlmr-mini")}  # fmt: skip
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "joint": {"method": "joint"},
    "metaxl": {},
    "metaxl, whole vocabulary, plain attention": {"vocabulary": "full", "attention": "eager"},
    "joint, bucketed": {"method": "joint", "bucket": True},
    "metaxl, bucketed": {"bucket": True},
}
BASES = {name: "joint, bucketed" if "bucketed" in name else "joint" for name in CONFIGURATIONS}
"""What the time of each is compared with."""
SEEDS = (0, 1, 2)


class Stopwatch(Reporter):
    """Seconds of each epoch's steps."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self._sum = self._last = 0.0

    def start(self, steps: int, epochs: int) -> None:
        """See `Reporter.start`."""
        self._last = time.perf_counter()

    def step(self, step: int, losses: Mapping[str, float]) -> None:
        """See `Reporter.step`."""
        now = time.perf_counter()
        self._sum, self._last = self._sum + now - self._last, now

    def epoch(self, epoch: int, metric: str, dev: float, best: bool) -> None:
        """See `Reporter.epoch`."""
        self.epochs.append(self._sum)
        self._sum, self._last = 0.0, time.perf_counter()


def main(file: Path) -> None:
    """Run all, print and write the figures."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONFIGURATIONS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            for name, changes in CONFIGURATIONS.items():
                watch = Stopwatch()
                raw = {**JOB, **changes, "seed": seed, "output": f"{folder}/{name}-{seed}"}
                result = run(RunConfig.from_mapping(raw), watch)
                seconds = statistics.median(watch.epochs)
                found[name].append({"seed": seed, "epoch_seconds": seconds, "test_f1": result.test.f1})
                ratio = seconds / found[BASES[name]][-1]["epoch_seconds"]
                told = f"{seconds:.1f} s, {ratio:.2f} of joint, F1 {result.test.f1:.3f}"
                print(f"seed {seed}  {name}: {told}", flush=True)
    ratios = {
        name: statistics.median(
            one["epoch_seconds"] / base["epoch_seconds"] for one, base in zip(runs, found[BASES[name]], strict=True)
        )
        for name, runs in found.items()
    }
    print(json.dumps(ratios, indent=1))
    job = {**JOB, "data": "../shared/data/ner", "encoder": "../shared/encoders/xlmr-mini"}
    write_json(file, {"job": job, "machine": environment(), "ratio_to_joint": ratios, "runs": found})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
