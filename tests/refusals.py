"""Short runs, and commands that are refused."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xltransfer.cli.main import status_of

SHORT = ["run", "--quiet", "--epochs", "1", "--source-size", "4", "--target-size", "2", "--batch-size", "2"]
SYNTHETIC = ["--data-opt", "train=10", "--data-opt", "dev=4", "--data-opt", "test=4"]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *expected: str) -> None:
    """Exit status 2 and one line; nothing ran, and nothing is written."""
    capsys.readouterr()
    before = {*Path().iterdir()}
    status = status_of(arguments)
    told = capsys.readouterr().err
    assert status == 2, told
    assert len(told.strip().splitlines()) == 1, told
    for text in expected:
        assert text in told
    assert {*Path().iterdir()} == before


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A small file system of its own; the test is skipped where this machine lets nobody mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip() if done else 'no mount command'}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
