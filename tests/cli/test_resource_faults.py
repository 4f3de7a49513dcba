"""Full disks, exhausted memory, files that vanish: one clear line, and nothing left that looks finished."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.refusals import SHORT, SYNTHETIC, mounted
from xltransfer.cli.main import status_of
from xltransfer.data.readers.words import tagged as tagged_files
from xltransfer.datasets import folder as folder_module
from xltransfer.encoders.tiny import Tiny
from xltransfer.testing.runs import outcome
from xltransfer.training import loop, preparation
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, arguments: list[str], status: int, run: str = "run") -> str:
    """The one line that a command ends with; no run folder is left."""
    capsys.readouterr()
    assert status_of(arguments) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("xlt: error: ")
    assert not Path(run).exists()
    return lines[0]


def kept(capsys: Capture, arguments: list[str], status: int, run: str = "run") -> str:
    """The one line that a command ends with; the run folder is kept, and the line says how to continue."""
    capsys.readouterr()
    assert status_of(arguments) == status
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("xlt: error: ")
    assert line.endswith(f"{CONTINUES}{run}")
    assert not Path(run, "metrics.json").exists()
    return line


@pytest.mark.parametrize("size, saved", [("4k", "10"), ("12k", "10"), ("24k", "10"), ("2m", "0")],
                         ids=["config", "log", "samples", "model"])  # fmt: skip
def test_a_full_disk(size: str, saved: str, capsys: Capture) -> None:
    arguments = [*SHORT, *SYNTHETIC, "--source-size", "10", "--checkpoint-minutes", saved, "--output", "disk/run"]
    with mounted(Path("disk"), "-o", f"size={size}"):
        Path("disk", "filler").write_bytes(b"x" * 3000)
        line = told(capsys, arguments, 1, "disk/run")
        assert [path.name for path in Path("disk").iterdir()] == ["filler"]
    assert "cannot be written: No space left on device. Free some space, or name an --output where there is" in line


CONTINUES = "This continues from the last checkpoint: xlt run --resume "


def fill(file: Path) -> None:
    """Take all the space there is."""
    for size in (2**20, 2**12):
        with suppress(OSError), file.open("ab", buffering=0) as opened:
            while True:
                opened.write(bytes(size))


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_good_checkpoint(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*SHORT, *SYNTHETIC, "--source-size", "10", "--checkpoint-steps", "2"]
    assert status_of([*arguments, "--output", "whole"]) == 0
    with mounted(Path("disk"), "-o", "size=200m"):
        with monkeypatch.context() as patched:
            losing(patched, checkpoint, "delete_all_except", lambda: fill(Path("disk", "filler")))
            line = kept(capsys, [*arguments, "--output", "disk/run"], 1, "disk/run")
        assert "No space left on device. Free some space, or name an --output where there is some. This" in line
        assert [path.name for path in Path("disk/run/checkpoint").iterdir()] == ["step-0000002"]
        Path("disk", "filler").unlink()
        assert status_of(["run", "--quiet", "--resume", "disk/run"]) == 0
        assert outcome(Path("disk/run")) == outcome(Path("whole"))


def test_a_limit_on_the_size_of_files(capsys: Capture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        line = told(capsys, [*SHORT, *SYNTHETIC, "--output", "run"], 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written: File too large" in line


@pytest.mark.slow
def test_a_full_cache_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with mounted(Path("disk"), "-o", "size=4k"):
        Path("disk", "filler").write_bytes(b"x" * 4096)
        monkeypatch.setenv("XLT_CACHE", "disk")
        assert status_of([*SHORT, *SYNTHETIC, "--output", "run", "--backend", "auto"]) == 0
        assert [path.name for path in Path("disk").rglob("*") if path.is_file()] == ["filler"]


def test_an_output_that_cannot_be_written(capsys: Capture) -> None:
    Path("file").write_text("kept")
    assert "'file/run' cannot be made: Not a directory" in told(
        capsys, [*SHORT, *SYNTHETIC, "--output", "file/run"], 2, "file/run"
    )
    assert Path("file").read_text() == "kept"
    with mounted(Path("disk"), "-o", "ro"):
        line = told(capsys, [*SHORT, *SYNTHETIC, "--output", "disk/run"], 2, "disk/run")
    assert "folder 'disk/run' cannot be made: Read-only file system" in line


MEMORY = (
    "To need less: a smaller --batch-size or --max-length, --precision bf16, --activations recompute, "
    "--backend func --backend-opt mode=forward, or a smaller encoder."
)
HUNGRY = """
import torch
from xltransfer import RTN, register_rtn
@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim):
        super().__init__()
        self.project = torch.nn.Linear(dim, dim)
    def forward(self, hidden, mask, layer):
        if hidden.shape[1] > 3:  # not in the trial before training
            torch.empty(2**55)
        return self.project(hidden)
"""


def test_memory_that_the_allocator_refuses(capsys: Capture) -> None:
    Path("mine.py").write_text(HUNGRY)
    line = told(capsys, [*SHORT, *SYNTHETIC, "--plugin", "mine.py", "--rtn", "mine", "--output", "run"], 2)
    assert "memory is exhausted at --batch-size 2 (" in line
    assert "DefaultCPUAllocator" in line
    assert line.endswith(MEMORY)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
                                   OSError(12, "Cannot allocate memory")])  # fmt: skip
@pytest.mark.parametrize("where", [(loop, "predict"), (preparation, "load_learner"), (CheckpointSaver, "save")])
def test_memory_wherever_it_ends(
    error: Exception, where: tuple[Any, str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(*where, refuse)
    line = told(capsys, [*SHORT, *SYNTHETIC, "--output", "run"], 2)
    assert "memory is exhausted at --batch-size 2" in line
    assert line.endswith(MEMORY)


LIMITED = """
import re, resource, sys
from xltransfer.cli.main import status_of
import xltransfer.training.run
small = ["run", "--quiet", "--data-opt", "train=600", "--data-opt", "dev=4", "--data-opt", "test=4", "--epochs", "1"]
assert status_of([*small, "--source-size", "8", "--target-size", "2", "--batch-size", "2", "--output", "first"]) == 0
used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27,) * 2)
sys.exit(status_of([*small, "--source-size", "600", "--target-size", "600", "--batch-size", "600", "--output", "run"]))
"""


@pytest.mark.slow
def test_a_limit_on_memory_as_ulimit_sets_it() -> None:
    """128 MiB more than a small run takes, and a batch that needs more."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", LIMITED], env=environment, capture_output=True, text=True, check=False)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "memory is exhausted at --batch-size 600" in line
    assert line.endswith(MEMORY)
    assert not Path("run").exists()


def corpus() -> list[str]:
    for language in ("en", "ig"):
        Path("data", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            Path("data", language, f"{split}.txt").write_text("a O\nB B-PER\n\nc O\n\nD B-PER\nE I-PER\n\n")
    return [*SHORT, "--source-size", "2", "--data", "data", "--source", "en", "--target", "ig", "--output", "run"]


def losing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, lose: Callable[[], object]) -> None:
    """Once `owner.name` was called, something is gone."""
    found = getattr(owner, name)

    def called(*arguments: Any, **options: Any) -> Any:
        done = found(*arguments, **options)
        lose()
        return done

    monkeypatch.setattr(owner, name, called)


def test_a_data_file_that_is_lost_while_others_are_read(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    read = tagged_files.understand_tagged

    def lost(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "test.txt":
            path.unlink()
        return read(path, *arguments, **options)

    monkeypatch.setattr(folder_module, "understand_tagged", lost)
    assert "data/ig/test.txt: cannot be read: No such file or directory" in told(capsys, corpus(), 2)


def test_a_data_folder_that_is_lost(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, folder_module, "understand_tagged", lambda: shutil.rmtree("data/ig", ignore_errors=True))
    assert "'data/ig': No such file or directory; it may have been moved or removed while it was in use" in told(
        capsys, corpus(), 2
    )


def test_an_encoder_that_is_lost(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Tiny.folder, "encoder")
    losing(monkeypatch, preparation, "open_encoder", lambda: shutil.rmtree("encoder"))
    line = told(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder", "--output", "run"], 2)
    assert "encoder './encoder': weights in encoder cannot be loaded" in line


def test_a_run_folder_that_is_lost(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, RunFolder, "log", lambda: shutil.rmtree("run", ignore_errors=True))
    line = told(capsys, [*SHORT, *SYNTHETIC, "--output", "run"], 2)
    assert "No such file or directory; it may have been moved or removed while it was in use" in line


def test_a_fault_while_the_first_checkpoint_is_written_leaves_no_run(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetensors.torch.save_file", full)
    line = told(capsys, [*SHORT, *SYNTHETIC, "--output", "run"], 1)
    assert "'rtn.safetensors' cannot be written: No space left on device" in line


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device", "rtn.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("error, status", [
    (OSError(28, "No space left on device"), 1), (OSError(13, "Permission denied", "model"), 2), (MemoryError(), 2),
])  # fmt: skip
def test_a_fault_while_models_are_saved_keeps_the_checkpoint(
    error: Exception, status: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    assert status_of([*SHORT, *SYNTHETIC, "--output", "whole"]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "save_models", refuse)
        kept(capsys, [*SHORT, *SYNTHETIC, "--output", "run"], status)
        kept(capsys, ["run", "--quiet", "--resume", "run"], status)
    assert status_of(["run", "--quiet", "--resume", "run"]) == 0
    assert outcome(Path("run")) == outcome(Path("whole"))
