"""Select the fastest backend for `--backend auto`, by timing it on the run's first batches or from a cache."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from typing import Any

from xltransfer.backends.auto import Auto
from xltransfer.backends.func import Func
from xltransfer.data.batching import Collator
from xltransfer.methods.metaxl import MetaXL
from xltransfer.training.device import numeric_environment
from xltransfer.training.loop import make_batch
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.progress import Reporter
from xltransfer.training.state import build_trainee, compact_vocabulary
from xltransfer.utils.cache import add_to_cache, read_cache

FILE = "backend-auto.json"
_KEY_FIELDS = ("encoder", "layer", "rtn", "rtn_options", "batch_size", "max_length", "precision", "attention",
            "activations", "compile", "pad_to", "task")  # fmt: skip


def select_backend(run: PreparedRun, reporter: Reporter) -> PreparedRun:
    """Replace the backend `auto` by the fastest mode of `func` on this machine. Report the times and cache them."""
    if not isinstance(run.backend, Auto) or not isinstance(run.method, MetaXL):
        return run
    key = _key(run)
    seconds: dict[str, float] = run.processes.from_first(lambda: read_cache(FILE).get(key, {}))
    is_cached = seconds.keys() == run.backend.candidates.keys()
    if not is_cached:
        reporter.stage("measuring the backends")
        seconds = run.processes.from_first(functools.partial(_measure, run, run.backend, run.method))
        add_to_cache(FILE, key, seconds)
    mode = min(seconds, key=seconds.__getitem__)
    times = ", ".join(f"{name} {value:.3f} s a step" for name, value in seconds.items())
    reporter.note(f"backend auto: func mode={mode} ({times}; {'measured before' if is_cached else 'measured now'})")
    options: dict[str, Any] = {"mode": mode, "inner_steps": run.backend.inner_steps}
    config = dataclasses.replace(run.config, backend="func", backend_options=options)
    return dataclasses.replace(run, config=config, backend=Func(**options))


def _measure(run: PreparedRun, backend: Auto, method: MetaXL) -> dict[str, float]:
    """Seconds per step of each candidate, on the first rows of source and target."""
    collate, vocabulary = Collator(run.encoder.padding, run.config.pad_to), compact_vocabulary(run)
    rows = range(run.config.batch_size)
    source, target = (
        make_batch(part, list(rows[: len(part.encoded)]), collate, run, vocabulary) for part in (run.source, run.target)
    )
    trainee = build_trainee(run, 1)
    try:
        return backend.trial(method.problem(trainee, source, target, seed=0), trainee.theta.lr)
    finally:
        if vocabulary:
            vocabulary.restore()


def _key(run: PreparedRun) -> str:
    """A digest of everything that affects the time of a step."""
    fields = {name: getattr(run.config, name) for name in _KEY_FIELDS}
    facts = [fields, numeric_environment(run.device), run.config.backend_options]
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()[:16]
