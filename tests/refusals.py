"""Short runs, and commands that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from xltransfer.cli.main import status_of

SHORT = ["run", "--quiet", "--epochs", "1", "--source-size", "4", "--target-size", "2", "--batch-size", "2"]
SYNTHETIC = ["--data-opt", "train=10", "--data-opt", "dev=4", "--data-opt", "test=4"]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *expected: str) -> None:
    """Exit status 2 and one line; nothing ran."""
    capsys.readouterr()
    status = status_of(arguments)
    told = capsys.readouterr().err
    assert not Path("executed").exists()
    assert status == 2, told
    assert len(told.strip().splitlines()) == 1, told
    for text in expected:
        assert text in told
    assert not Path("runs").exists()
