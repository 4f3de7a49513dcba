"""The best epoch of a run: the earliest of equals, with its own parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.resuming import tiny
from xltransfer.data.batching import Collator
from xltransfer.tasks.base import Scores
from xltransfer.training import loop
from xltransfer.training.checkpointing.stop_signal import StopSignal
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.state import TrainingState


def test_the_earliest_of_the_best_epochs_is_kept_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(tiny(tmp_path / "run", epochs=4), Reporter())
    state, collate = TrainingState(run), Collator(run.encoder.padding)
    trained = [*run.rtn.parameters(), *run.learner.model.get_submodule("classifier").parameters()]
    f1 = iter([0.2, 0.5, 0.5, 0.1])
    monkeypatch.setattr(type(run.task), "score", lambda *_: Scores(next(f1), 0.0, 0.0, 0.0))
    for epoch in range(1, 5):
        with torch.no_grad():
            for parameter in trained:
                parameter.fill_(epoch / 100)
        loop._score_epoch(run, state, collate, lambda _: None, Reporter(), StopSignal())
    best = state.restore_best()
    assert (best.epoch, best.dev.f1) == (2, 0.5)
    assert all((parameter == 0.02).all() for parameter in trained)
