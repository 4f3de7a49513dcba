"""The best epoch of a run: the earliest of equals, with its own parameters."""

from __future__ import annotations

from itertools import chain, repeat
from pathlib import Path

import pytest
import torch

from tests.resuming import tiny
from xltransfer.data.batching import Collator
from xltransfer.tasks.base import Scores
from xltransfer.tasks.ner import NER
from xltransfer.training import loop
from xltransfer.training.checkpointing.stop_signal import StopSignal
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run import run
from xltransfer.training.state import TrainingState


def test_the_earliest_of_the_best_epochs_is_kept_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prepare(tiny(tmp_path / "run", epochs=4), Reporter())
    state, collate = TrainingState(made), Collator(made.encoder.padding)
    trained = [*made.rtn.parameters(), *made.learner.model.get_submodule("classifier").parameters()]
    f1 = iter([0.2, 0.5, 0.5, 0.1])
    monkeypatch.setattr(type(made.task), "score", lambda *_: Scores(next(f1), 0.0, 0.0, 0.0))
    for epoch in range(1, 5):
        with torch.no_grad():
            for parameter in trained:
                parameter.fill_(epoch / 100)
        loop._score_epoch(made, state, collate, lambda _: None, Reporter(), StopSignal())
    best = state.restore_best()
    assert (best.epoch, best.dev.f1) == (2, 0.5)
    assert all((parameter == 0.02).all() for parameter in trained)


class Noting(Reporter):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """See `Reporter.note`."""
        self.notes.append(message)


@pytest.mark.parametrize("scores, noted", [((0.1, 0.2), True), ((0.2, 0.2), False), ((0.2,), False)])
def test_that_the_last_epoch_was_the_best_is_said(
    scores: tuple[float, ...], noted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    f1 = chain(scores, repeat(0.0))  # of test
    monkeypatch.setattr(NER, "score", lambda *_: Scores(next(f1), 0.0, 0.0, 0.0))
    reporter = Noting()
    run(tiny(tmp_path / "run", epochs=len(scores)), reporter)
    assert [note for note in reporter.notes if "was the best" in note] == (
        [f"the last of {len(scores)} epochs was the best: more may be better (--epochs)"] if noted else []
    )
