"""Figures sent to trackers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.resuming import tiny
from xltransfer.cli.main import status_of
from xltransfer.errors import ConfigError
from xltransfer.training.progress import Reporter
from xltransfer.training.run import run

pytest.importorskip("accelerate")
pytest.importorskip("tensorboard")


class Warned(Reporter):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def warn(self, message: str) -> None:
        """See `Reporter.warn`."""
        self.told.append(message)


def scalars(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """What TensorBoard reads in a folder: step and value, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    tags: list[str] = read.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in tags}


def test_tensorboard_has_the_figures_of_the_log(tmp_path: Path) -> None:
    run(tiny(tmp_path / "run", track=("tensorboard",)))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    found = scalars(tmp_path / "run" / "tensorboard")
    for name in ("source_loss", "grad_norm", "lr"):
        assert found[name] == [(line["step"], pytest.approx(line[name])) for line in lines if name in line]
    assert found["dev/f1"] == [(line["step"], pytest.approx(line["dev"]["f1"])) for line in lines if "dev" in line]


def test_nothing_is_tracked_unless_asked_for(tmp_path: Path) -> None:
    run(tiny(tmp_path / "run"))
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_tracker_that_fails_is_left_out_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.tracking import TensorBoardTracker

    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(TensorBoardTracker, "log", lost)
    reporter = Warned()
    result = run(tiny(tmp_path / "run", track=("tensorboard",)), reporter)
    expected = "track: tensorboard fails and is not used from here on: ConnectionError: no route to it"
    assert [one for one in reporter.told if one.startswith("track")] == [expected]
    assert result.metrics["steps"] == 6


def test_a_missing_library_is_told_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else found(name, *rest)
    )
    with pytest.raises(ConfigError, match="pip install wandb"):
        run(tiny(tmp_path / "run", track=("wandb",)))
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["run", "--track", "tensorbord"]) == 2
    assert "tensorboard" in capsys.readouterr().err
