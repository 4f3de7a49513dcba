"""Resuming runs whose steps are skipped, that run a plugin, or whose folder somebody has put links into."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.resuming import FAULTY, Signalled, tiny
from xltransfer.cli.main import status_of
from xltransfer.errors import ConfigError, FailedStepError, Interrupted
from xltransfer.testing.runs import outcome
from xltransfer.training.checkpointing.resume import resume_command
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run import resume, run
from xltransfer.training.safety import guards
from xltransfer.training.state import TrainingState

Capture = pytest.CaptureFixture[str]
PLUGIN: dict[str, Any] = {"rtn": "mine", "plugin": ["mine.py"], "skip_nonfinite": 6}


@pytest.fixture(autouse=True)
def plugin(empty_folder: Path) -> None:
    (empty_folder / "mine.py").write_text(FAULTY)


def stopped(folder: str, step: int, **changes: Any) -> str:
    """A run stopped after some steps; what it said."""
    with pytest.raises(Interrupted) as told:
        run(tiny(Path(folder), **changes), Signalled(step))
    return str(told.value)


def refused(arguments: list[str], capsys: Capture) -> str:
    """The one line that a command is refused in."""
    capsys.readouterr()
    assert status_of(["run", "--quiet", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("xlt: error: ")
    return line


@pytest.mark.slow
def test_skipped_steps_are_counted_on_and_a_plugin_is_named_anew(capsys: Capture) -> None:
    whole = run(tiny(Path("whole"), **PLUGIN))
    assert 0 < whole.metrics["meta"]["skipped_steps"] < whole.metrics["steps"]
    told = stopped("run", 2, **PLUGIN)
    assert told.endswith("xlt run --resume run --plugin mine.py")
    Path("mine.py").rename("kept.py")
    Path("mine.py").write_text("import os\nos.mkdir('executed')\n")
    Path("other.py").write_text(FAULTY.replace('"mine"', '"other"'))
    for arguments in ([], ["--lr", "0.001"]):
        assert "add: --plugin mine.py" in refused(["--resume", "run", *arguments], capsys)
    assert "plugin: ['other.py'] given, ['mine.py'] in its config.yaml" in refused(
        ["--resume", "run", "--plugin", "other.py"], capsys
    )
    with pytest.raises(ConfigError, match="names code"):
        resume("run")
    assert not Path("executed").exists()
    Path("kept.py").rename("mine.py")
    assert status_of(["run", "--quiet", "--resume", "run", "--plugin", "mine.py"]) == 0
    assert outcome(Path("run")) == outcome(whole.run_dir)


def test_a_class_is_named_anew(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("evil.py").write_text("import os\nos.mkdir('executed')\n")
    monkeypatch.syspath_prepend(".")
    config = tiny(Path("run"), rtn="multi", rtn_options={"inner": "evil:RTN"}, task="evil:Task")
    Path("run").mkdir()
    Path("run/config.yaml").write_text(config.to_yaml())
    line = refused(["--resume", "run"], capsys)
    assert "add: --task evil:Task" in line
    assert "add: --rtn-opt inner=evil:RTN" in line
    assert not Path("executed").exists()
    assert resume_command(Path("run"), config) == "xlt run --resume run --task evil:Task --rtn-opt inner=evil:RTN"


@pytest.mark.slow
def test_what_is_said_once_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "EXPLOSION_FACTOR", 1e-3)
    monkeypatch.setattr(guards, "_MIN_NORMS", 1)
    whole = run(tiny(Path("whole")))
    stopped("run", 4)
    resume("run")
    assert outcome(Path("run")) == outcome(whole.run_dir)
    assert Path("run/log.jsonl").read_text().count("times the median of the last 1 steps") == 1


def test_what_the_guards_have_seen_is_part_of_a_state() -> None:
    state = TrainingState(prepare(tiny(Path("run")), Reporter()))
    state.guard_state.norms.extend((0.1 + 0.2, 1e-30))
    state.guard_state.skipped, state.guard_state.exploded = 2, True
    saved = state.snapshot()
    state.guard_state = guards.GuardState()
    state.load(type(saved)(saved.tensors, json.loads(json.dumps(saved.values))))
    assert state.guard_state.state() == {"skipped": 2, "exploded": True, "norms": [0.1 + 0.2, 1e-30]}


@pytest.mark.slow
def test_a_step_that_fails_after_a_checkpoint_fails_again(capsys: Capture) -> None:
    values = {**PLUGIN, "skip_nonfinite": 0}
    with pytest.raises(FailedStepError) as first:
        run(tiny(Path("run"), **values))
    before = json.loads(Path("run/failure/step.json").read_text())
    assert status_of(["run", "--quiet", "--resume", "run", "--plugin", "mine.py"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"xlt: error: {first.value}"
    assert json.loads(Path("run/failure/step.json").read_text()) == before
    assert status_of(["run", "--quiet", "--resume", "run", "--plugin", "mine.py", "--skip-nonfinite", "6"]) == 0
    assert outcome(Path("run")) == outcome(run(tiny(Path("whole"), **PLUGIN)).run_dir)


@pytest.mark.parametrize("name", ["log.jsonl", ".lock", "checkpoint", "checkpoint/step-0000002/state.json"])
def test_no_link_out_of_the_folder_is_followed(name: str, capsys: Capture) -> None:
    stopped("run", 2)
    Path("outside").mkdir()
    path = Path("run", name)
    if path.exists():
        shutil.move(path, Path("outside", path.name))
    else:
        Path("outside", path.name).write_text("kept")
    before = {file: file.read_bytes() for file in Path("outside").rglob("*") if file.is_file()}
    path.symlink_to(Path("outside", path.name).resolve())
    assert f"{str(path)!r} is a link to" in refused(["--resume", "run"], capsys)
    assert {file: file.read_bytes() for file in Path("outside").rglob("*") if file.is_file()} == before
