"""Checkpoints on disk, when they are made, and the parts of a state that go into them."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.resuming import in_child, tiny
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.errors import CheckpointError, ConfigError, LockedError
from xltransfer.methods.updater import Updater
from xltransfer.testing.models import VOCABULARY, small_model
from xltransfer.training import run_folder
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.checkpointing.random_state import random_state, set_random_state
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import RunFolder
from xltransfer.training.state import TrainingState
from xltransfer.utils import files
from xltransfer.utils.files import atomic_folder

TENSORS = {"state": {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.tensor(1)}, "best": {"a": torch.ones(2)}}
VALUES = {"step": 3, "rate": 0.1 + 0.2, "best": None}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A checkpoint after three steps."""
    path = tmp_path / checkpoint.FOLDER / checkpoint.checkpoint_name(3, False)
    checkpoint.write(path, TENSORS, VALUES, {"xltransfer": "1"})
    return path


def test_what_is_written_is_read(written: Path) -> None:
    found = checkpoint.read(written)
    assert found.metadata["xltransfer"] == "1"
    assert found.values() == VALUES
    for name, group in TENSORS.items():
        loaded = found.tensors(name)
        assert loaded.keys() == group.keys()
        assert all(torch.equal(loaded[key], tensor) for key, tensor in group.items())
    assert found.tensors("other") == {}


def test_tensors_that_share_memory_are_written_too(tmp_path: Path) -> None:
    tensor = torch.arange(4.0)
    checkpoint.write(tmp_path / "step-1", {"state": {"whole": tensor, "part": tensor[1:3]}}, {}, {})
    assert checkpoint.read(tmp_path / "step-1").tensors("state")["part"].tolist() == [1.0, 2.0]


def test_any_flipped_bit_is_noticed(written: Path) -> None:
    drawn = random.Random(0)
    for file in sorted(written.iterdir()):
        content = file.read_bytes()
        for place in {0, len(content) - 1, *(drawn.randrange(len(content)) for _ in range(20))}:
            changed = bytearray(content)
            changed[place] ^= 1 << drawn.randrange(8)
            file.write_bytes(bytes(changed))
            try:
                facts = checkpoint.read(written).metadata
            except CheckpointError as error:
                assert f"{written.name}/{file.name}" in str(error)  # noqa: PT017
            else:  # white space between the manifest's values
                assert file.name == checkpoint.MANIFEST_FILE
                assert facts["xltransfer"] == "1"
        file.write_bytes(content)
    checkpoint.read(written)


def test_the_newest_comes_first_and_a_scored_epoch_after_its_last_step(tmp_path: Path) -> None:
    names = ["step-0000009", "step-0000010", "step-0000010-scored", "step-10000000"]
    for name in (*names, "step-x", "notes", ".step-0000011.partial"):
        (tmp_path / name).mkdir()
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path)] == names[::-1]
    checkpoint.delete_all_except(tmp_path, [tmp_path / names[0]])
    assert {path.name for path in tmp_path.iterdir()} == {names[0], "step-x", "notes"}
    assert checkpoint.list_checkpoints(tmp_path / "none") == []


def test_a_write_that_fails_leaves_what_was_there(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(written.with_name("step-0000004"), TENSORS, VALUES, {})
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    checkpoint.read(written)


def test_a_folder_gets_its_name_when_it_is_whole_and_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda opened: synced.append(os.fstat(opened).st_ino))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    with atomic_folder(tmp_path / "model") as partial:
        (partial / "new").write_text("new")
        assert (tmp_path / "model" / "old").exists()
        assert not synced
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]
    assert synced == [path.stat().st_ino for path in (tmp_path / "model" / "new", tmp_path / "model", tmp_path)]


def test_random_states_are_put_back() -> None:
    def draw() -> tuple[float, ...]:
        return random.random(), random.gauss(), np.random.rand(), np.random.normal(), torch.rand(1).item()

    draw()
    tensors, values = random_state()
    wanted = draw()
    draw()
    set_random_state(tensors, values)
    assert draw() == wanted


@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
@pytest.mark.parametrize("before", [0, 3])
def test_an_updater_goes_on_where_it_was(optimizer: str, before: int) -> None:
    torch.manual_seed(0)
    gradients = [{name: torch.randn_like(p) for name, p in nn.Linear(3, 2).named_parameters()} for _ in range(6)]

    def updater(module: nn.Module) -> Updater:
        return Updater(module, optimizer=optimizer, lr=0.1, weight_decay=0.2, warmup=0.5, clip=1.0, total_steps=6)

    def apply(to: Updater, some: list[dict[str, torch.Tensor]]) -> None:
        for one in some:
            to.apply({name: gradient.clone() for name, gradient in one.items()})

    whole, stopped, resumed = (nn.Linear(3, 2) for _ in range(3))
    stopped.load_state_dict(whole.state_dict())
    uninterrupted, first, second = updater(whole), updater(stopped), updater(resumed)
    apply(uninterrupted, gradients)
    apply(first, gradients[:before])
    resumed.load_state_dict(stopped.state_dict())
    second.load(*first.state())
    apply(second, gradients[before:])
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert (second.decay, second.lr) == (uninterrupted.decay, uninterrupted.lr)


def test_an_updater_without_parameters_has_a_place_in_the_schedule() -> None:
    settings: dict[str, Any] = {"optimizer": "adamw", "lr": 1.0, "weight_decay": 0.0, "warmup": 0.0, "clip": 0.0}
    first, second = (Updater(nn.Identity(), total_steps=4, **settings) for _ in range(2))
    for _ in range(2):
        first.apply({})
    second.load(*first.state())
    assert second.lr == first.lr < 1


def test_the_digest_of_unused_rows_sees_them_and_no_others() -> None:
    learner = Learner(small_model("bert"), (1,))
    vocabulary = CompactVocabulary(learner, [1, 3, 4])
    before = vocabulary.digest_of_unused()
    full = vocabulary._full.weight.detach()
    full[3] += 1
    learner.model.get_input_embeddings().weight.detach().add_(1)
    assert vocabulary.digest_of_unused() == before
    full[VOCABULARY - 1, 0] += 1
    assert vocabulary.digest_of_unused() != before


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def keeper_of(prepared: PreparedRun, folder: RunFolder, clock: Clock) -> tuple[TrainingState, CheckpointSaver]:
    state = TrainingState(prepared)
    folder.open_log(0)
    return state, CheckpointSaver(prepared, state, folder, clock)


def kept(folder: RunFolder) -> list[int]:
    return [int(path.name.split("-")[1]) for path in checkpoint.list_checkpoints(folder.path / checkpoint.FOLDER)][::-1]


@pytest.mark.parametrize("intervals, expected", [
    ({"checkpoint_steps": 2, "checkpoint_minutes": None}, [2, 4, 6]),
    ({"checkpoint_steps": None, "checkpoint_minutes": 0.5}, [3, 6]),
    ({"checkpoint_steps": 4, "checkpoint_minutes": 0.5}, [3, 4]),
    ({"checkpoint_steps": 0, "checkpoint_minutes": 0}, []),
    ({"checkpoint_steps": None, "checkpoint_minutes": None}, []),
])  # fmt: skip
def test_intervals_by_steps_of_the_run_and_minutes_since_the_last(
    intervals: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    prepared = prepare(tiny(tmp_path / "run", epochs=9, **intervals), Reporter())
    folder = RunFolder.create(tmp_path / "run", prepared.config)
    clock, saved = Clock(), []
    state, keeper = keeper_of(prepared, folder, clock)
    for step in range(1, 7):
        state.step, clock.now = step, 10.0 * step
        keeper.after_step()
        if kept(folder)[-1:] == [step]:
            saved.append(step)
    assert saved == expected
    assert kept(folder) == expected[-2:]  # the one before is kept
    folder.close()


def test_an_epochs_end_is_saved_where_that_is_cheap_and_the_last_in_any_case(tmp_path: Path) -> None:
    prepared = prepare(tiny(tmp_path / "run", epochs=4, checkpoint_steps=0), Reporter())
    folder = RunFolder.create(tmp_path / "run", prepared.config)
    clock = Clock()
    state, keeper = keeper_of(prepared, folder, clock)
    found = []
    for epoch, seconds in enumerate((0, 10, 1000, 0), 1):
        clock.now += seconds
        keeper._save_seconds = 2.0 if epoch > 1 else 0.0  # the clock stands still while a test saves
        state.step, state.epochs_scored = epoch * state.steps_per_epoch, epoch
        keeper.after_epoch()
        found.append(kept(folder)[-1] // state.steps_per_epoch)
    assert found == [1, 1, 3, 4]
    folder.close()


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    config = tiny(tmp_path / "run")
    first = RunFolder.create(tmp_path / "run", config)
    with pytest.raises(LockedError, match="another process is running in"):
        RunFolder(first.path, new=False)
    with pytest.raises(ConfigError, match=r"exists; name another folder.* xlt run --resume .* continues it"):
        RunFolder.create(first.path, config)
    first.close()
    RunFolder(first.path, new=False).close()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_lock_of_a_killed_owner_is_no_hindrance(tmp_path: Path) -> None:
    def killed() -> None:
        RunFolder.create(tmp_path / "run", tiny(tmp_path / "run"))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    assert (tmp_path / "run" / ".lock").exists()
    RunFolder(tmp_path / "run", new=False).close()


def test_a_signal_leaves_no_half_made_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(tmp_path / "runs" / "run")
    for owner, name in ((run_folder, "environment"), (files, "sync"), (os, "replace"), (os, "rename")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                RunFolder.create(tmp_path / "runs" / "run", config)
        assert not list((tmp_path / "runs").iterdir()), name


def interrupted(*arguments: Any) -> None:
    """The handler of SIGTERM before a run defers signals."""
    raise KeyboardInterrupt


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", tiny(tmp_path / "run"))
    with pytest.raises(ConfigError, match="cannot be written to"):
        RunFolder(tmp_path / "file", new=False)


@pytest.mark.usefixtures("interruptible")
def test_the_first_signal_waits_for_a_good_moment_and_a_second_interrupt_does_not() -> None:
    stop = StopSignal()
    with stop.catch_signals():
        with stop.defer_signals():
            stop.check()
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # batch systems send it to every process of a job, some twice
            with pytest.raises(StopRequested):
                stop.check()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_ignored_signals_stay_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignal().catch_signals():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
