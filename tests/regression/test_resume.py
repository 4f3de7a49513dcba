"""A run that was interrupted, at whatever moment, ends like one that was not."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests.resuming import FileEvents, Signalled, in_child, tiny
from tests.tiers import first_quick
from xltransfer.cli.main import status_of
from xltransfer.errors import CheckpointError, ConfigError, Interrupted
from xltransfer.testing.runs import outcome
from xltransfer.training.checkpointing import checkpoint, saver
from xltransfer.training.run import resume, run

VARIANTS: dict[str, dict[str, Any]] = {
    "metaxl, averaged": {"method": "metaxl", "weight_decay": 0.1, "average": 0.9,
                         "layer_decay": 0.8},
    "higher, multi at two layers, in windows": {
        "method": "metaxl", "backend": "higher", "rtn": "multi", "layer": [1, 3], "task_options": {"long": "window"},
        "max_length": 12,
    },
    "joint-rtn, adam, whole vocabulary": {"optimizer": "adam", "vocabulary": "full"},
    "joint, languages drawn by temperature": {
        "method": "joint", "source": ["base", "near"], "source_size": 10, "mixing": "temperature", "bucket": True,
    },
    "one language a batch, sentiment": {
        "method": "metaxl", "task": "sentiment", "rtn": "per-language", "source": ["base", "near"], "source_size": 10,
        "mixing": "per-language", "backend": "fd",
    },
    "Adam's inner step, late": {
        "method": "metaxl", "weight_decay": 0.1,
        "method_options": {"inner_step": "adam", "start": 0.5, "support_share": 0.3, "normalised": True},
    },
    "metaxl, held-out queries and a finish": {
        "method": "metaxl", "target_size": 30,
        "method_options": {"held_out": 0.4, "start": 0.2, "finish": 0.4},
    },
    "metaxl, languages drawn by a bandit, in pieces": {
        "method": "metaxl", "source": ["base", "near"], "source_size": 10, "mixing": "bandit", "accumulate": 2,
    },
    "target-only, pos, bf16": {"method": "target-only", "task": "pos", "precision": "bf16"},
}  # fmt: skip


@pytest.mark.parametrize("changes", first_quick(VARIANTS.values()), ids=VARIANTS.keys())
def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    whole = run(tiny(tmp_path / "whole", checkpoint_steps=0, **changes))
    folder = tmp_path / "stopped"
    with pytest.raises(Interrupted, match="xlt run --resume"):  # in the middle of the first epoch
        run(tiny(folder, checkpoint_steps=0, **changes), Signalled(2))
    with pytest.raises(Interrupted, match="xlt run --resume"):  # and of the second
        resume(folder, reporter=Signalled(5))
    assert resume(folder).metrics["steps"] == whole.metrics["steps"] >= 6
    assert outcome(folder) == outcome(whole.run_dir)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of the default."""
    return run(tiny(tmp_path_factory.mktemp("whole") / "run")).run_dir


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, bytes]:
    """What it leaves."""
    return outcome(finished)


@pytest.fixture(scope="module")
def _stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Interrupted):
        run(tiny(folder), Signalled(5))
    return folder


@pytest.fixture
def stopped(_stopped: Path, tmp_path: Path) -> Path:
    """A run stopped after five of six steps, with the checkpoints of steps 4 and 5."""
    return Path(shutil.copytree(_stopped, tmp_path / "stopped"))


@pytest.mark.slow
def test_it_is_the_same_after_a_kill_at_any_of_its_writes(tmp_path: Path, whole: dict[str, bytes]) -> None:
    counted = tmp_path / "counted"

    def count() -> int:
        events = FileEvents(counted)
        run(tiny(counted / "run", checkpoint_steps=3))
        (tmp_path / "count").write_text(str(events.count))
        return 0

    assert in_child(count) == 0
    events = int((tmp_path / "count").read_text())
    assert events > 60
    for number in range(5, events, events // 5):
        folder = tmp_path / f"killed-{number}" / "run"

        def killed(folder: Path = folder, number: int = number) -> None:
            FileEvents(folder.parent, fatal=number)
            run(tiny(folder, checkpoint_steps=3))

        assert in_child(killed) == -signal.SIGKILL
        if folder.exists():
            resume(folder)
            assert outcome(folder) == whole, f"killed at event {number}"


@pytest.mark.slow
def test_a_run_is_resumed_more_than_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        run(tiny(folder), Signalled(1))
    for step in (3, 6, None):  # the last step of all, whose epoch is not yet scored; the scoring of test
        with pytest.raises(Interrupted):
            resume(folder, reporter=Signalled(step))
    resume(folder)
    assert outcome(folder) == whole


def test_random_states_of_the_process_go_on(tmp_path: Path) -> None:
    drawn = []
    for step in (None, 3):
        folder = tmp_path / str(step)
        np.random.seed(1)
        torch.manual_seed(1)
        if step:
            with pytest.raises(Interrupted):
                run(tiny(folder, method="target-only", epochs=1), Signalled(step))
            np.random.seed(2)
            torch.manual_seed(2)
            resume(folder)
        else:
            run(tiny(folder, method="target-only", epochs=1))
        drawn.append((np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number, times, told", [
    (signal.SIGTERM, 1, "stopped; this continues it: xlt run --resume"),
    (signal.SIGINT, 1, "stopped; this continues it: xlt run --resume"),
    (signal.SIGINT, 2, "stopped; this continues it"),
])  # fmt: skip
def test_signals_exit_with_130_and_the_command_that_continues(
    number: signal.Signals, times: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes],
) -> None:  # fmt: skip
    from xltransfer.training import progress

    monkeypatch.setattr(progress, "WarningReporter", lambda: Signalled(2, number, times))
    folder = tmp_path / "a run"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in _options(folder).items()]
    assert status_of(["run", "--quiet", *options, *_DATA]) == 130
    captured = capsys.readouterr()
    assert f"xlt: {told}" in captured.err
    assert f"xlt run --resume '{folder}'" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    kept = sorted(path.name for path in (folder / "checkpoint").iterdir())
    assert kept == (["step-0000001", "step-0000002"] if times == 1 else ["step-0000001"])
    if times == 2:  # stopped in the middle of things
        monkeypatch.undo()
        assert status_of(["run", "--quiet", "--json", "--resume", str(folder)]) == 0
        assert outcome(folder) == whole


_DATA = ["--data-opt", "train=40", "--data-opt", "dev=8", "--data-opt", "test=8"]


def _options(folder: Path) -> dict[str, Any]:
    config = tiny(folder)
    names = ("method", "epochs", "source_size", "target_size", "batch_size", "max_length", "checkpoint_steps", "output")
    return {name: getattr(config, name) for name in names}


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted):
        run(tiny(tmp_path / "run"), Signalled(1))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_finished_run_is_said_to_be_finished_and_left_alone(
    finished: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (finished / "checkpoint").exists()
    before = (finished / "metrics.json").stat().st_mtime_ns
    assert status_of(["run", "--json", "--resume", str(finished)]) == 0
    captured = capsys.readouterr()
    assert f"{finished} is finished" in captured.err
    assert json.loads(captured.out)["test"] == json.loads(whole["metrics.json"])["test"]
    assert (finished / "metrics.json").stat().st_mtime_ns == before
    assert outcome(finished) == whole


def test_a_run_that_is_never_saved_starts_over(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted, match="from the first step: nothing is saved yet"):
        run(tiny(folder, checkpoint_steps=0, checkpoint_minutes=0), Signalled(4))
    assert not (folder / "checkpoint").exists()
    resume(folder)
    assert outcome(folder) == whole


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], *expected: str) -> None:
    assert status_of(["run", "--quiet", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("xlt: error: ")
    for text in expected:
        assert text in line


def test_other_options_are_refused_and_the_same_ones_are_not(
    stopped: Path, capsys: pytest.CaptureFixture[str], whole: dict[str, bytes]
) -> None:
    command = ["--resume", str(stopped)]
    refused([*command, "--lr", "0.5", "--rtn", "lowrank"], capsys,
            "is another run", "lr: 0.5 given, 0.001 in its config.yaml", "rtn: 'lowrank' given")  # fmt: skip
    refused([*command, "--output", str(stopped.with_name("other"))], capsys, "continued in its own folder")
    refused([*command, "--config", str(stopped / "config.yaml")], capsys, "leave --config and --recipe out")
    assert status_of(["run", "--quiet", *command, "--lr", "0.001", "--checkpoint-steps", "2"]) == 0
    assert outcome(stopped) == whole


def test_an_edited_configuration_is_refused_with_what_differs(
    stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((stopped / "config.yaml").read_text())
    (stopped / "config.yaml").write_text(yaml.safe_dump({**config, "seed": 12}))
    refused(["--resume", str(stopped)], capsys, "seed: 12 in config.yaml, 11 in the checkpoint")
    (stopped / "config.yaml").write_text(yaml.safe_dump({**config, "mixing": "none"}))
    refused(["--resume", str(stopped)], capsys, f"resume: {stopped / 'config.yaml'}: mixing: received 'none'")
    (stopped / "config.yaml").unlink()
    refused(["--resume", str(stopped)], capsys, "holds no config.yaml")


def test_another_version_is_refused(
    stopped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "__version__", "9.9")
    refused(["--resume", str(stopped)], capsys, f"saved by xltransfer {checkpoint_version(stopped)}; this is 9.9")


def checkpoint_version(run_dir: Path) -> str:
    found = checkpoint.read(checkpoint.list_checkpoints(run_dir / "checkpoint")[0])
    return str(found.metadata["xltransfer"])


def test_changed_data_are_refused(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "run"
    for language in ("en", "ig"):
        for split in ("train", "dev", "test"):
            (data / language).mkdir(parents=True, exist_ok=True)
            (data / language / f"{split}.txt").write_text("a O\nB B-PER\n\nc O\n\nD B-PER\nE I-PER\n\n")
    sizes = {"source_size": 3, "target_size": 2, "batch_size": 2, "data_options": {}}
    with pytest.raises(Interrupted):
        run(tiny(folder, data=str(data), source="en", target="ig", **sizes), Signalled(2))
    (data / "ig" / "dev.txt").write_text("a O\nB O\n\nc O\n\nD B-PER\nE I-PER\n\n")
    with pytest.raises(CheckpointError, match="changed since the run began: data; restore"):
        resume(folder)
    assert (folder / "checkpoint").is_dir()


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES = {"cut": _truncate, "flipped": _flip, "missing": Path.unlink, "emptied": lambda file: file.write_bytes(b"")}
FILES = ("state.safetensors", "best.safetensors", "state.json", "manifest.json")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_named_and_refused_unless_the_checkpoint_before_is_good(
    damage: Any, stopped: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for file in FILES:
        damaged = Path(shutil.copytree(stopped, tmp_path / file))
        for folder in (damaged / "checkpoint").iterdir():
            damage(folder / file)
        refused(["--resume", str(damaged)], capsys, "no checkpoint of", f"step-0000005/{file}", "to start over")
        assert (damaged / "log.jsonl").read_bytes() == (stopped / "log.jsonl").read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_the_checkpoint_before_a_damaged_one_is_continued(file: str, stopped: Path, whole: dict[str, bytes]) -> None:
    _flip(stopped / "checkpoint" / "step-0000005" / file)
    listener = Signalled(0)
    resume(stopped, reporter=listener)
    (warning,) = (told for told in listener.warnings if "checkpoint" in told)
    assert f"damaged checkpoint: step-0000005/{file}" in warning
    assert "continuing from step-0000004" in warning
    assert outcome(stopped) == whole


def test_lost_lines_of_the_log_are_said_and_do_not_stop_it(stopped: Path, whole: dict[str, bytes]) -> None:
    (stopped / "log.jsonl").unlink()
    listener = Signalled(0)
    resume(stopped, reporter=listener)
    assert "log.jsonl is shorter than it was at the checkpoint: some of its lines are lost." in listener.warnings
    assert outcome(stopped)["model/model.safetensors"] == whole["model/model.safetensors"]


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no config\.yaml"):
        resume(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=r"holds no config\.yaml"):
        resume(tmp_path / "nowhere")


def test_a_checkpoint_that_does_not_fit_is_an_error_in_one_line(stopped: Path) -> None:
    newest = stopped / "checkpoint" / "step-0000005"
    found = checkpoint.read(newest)
    tensors = found.tensors("state")
    name = next(name for name in tensors if name.startswith("rtn."))
    groups = {"state": {**tensors, name: torch.zeros(3)}, "best": found.tensors("best")}
    checkpoint.write(newest, groups, found.values(), {k: v for k, v in found.metadata.items() if k != "files"})
    with pytest.raises(CheckpointError, match="does not fit this run"):
        resume(stopped)
