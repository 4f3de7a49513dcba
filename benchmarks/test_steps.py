"""Cost of one training step of every method and exact backend, on the embedded default.

`make bench` prints the table; ratios to `joint` within one run are what to read, not seconds.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest

from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.registry import BACKENDS
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.state import build_trainee

CASES = [("joint", "func"), ("joint-rtn", "func"), *(("metaxl", name) for name in BACKENDS.names())]


@pytest.mark.parametrize("layer", [0, 2, 4])
@pytest.mark.parametrize("method, backend", CASES)
def test_step(benchmark: Any, method: str, backend: str, layer: int) -> None:
    raw = {"method": method, "backend": backend, "layer": layer, "source_size": 160, "target_size": 100}
    run = prepare(RunConfig.from_mapping(raw), Reporter())
    collate = Collator(run.encoder.padding)
    trainee = build_trainee(run, 10_000)
    source = cycle([collate(run.source.encoded[start : start + 16]) for start in range(0, 160, 16)])
    target = cycle([collate(run.target.encoded[start : start + 16]) for start in range(0, 96, 16)])
    run.learner.train()
    benchmark.group = f"layer {layer}"
    benchmark.pedantic(
        lambda: run.method.step(trainee, next(source), next(target), 0), rounds=20, iterations=1, warmup_rounds=3
    )
