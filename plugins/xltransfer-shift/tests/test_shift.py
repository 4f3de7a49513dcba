"""The plugin holds xltransfer's contract, and is found by its entry point."""

from __future__ import annotations

from pathlib import Path

import shift
import torch

from xltransfer.cli.main import status_of
from xltransfer.registry import RTNS
from xltransfer.testing import check_rtn


def test_contract() -> None:
    check_rtn(shift.Shift, scale=2.0)


def test_found_by_its_entry_point() -> None:
    assert RTNS.load("shift") is shift.Shift
    assert {entry.name: entry.origin for entry in RTNS.entries()}["shift"] == "xltransfer-shift"


def test_starts_as_joint_training() -> None:
    hidden = torch.randn(2, 3, 4)
    assert shift.Shift(4)(hidden, torch.ones(2, 3), 1).abs().max() == 0


def test_runs_from_the_command_line(tmp_path: Path) -> None:
    short = ["--epochs", "1", "--source-size", "16", "--target-size", "8", "--data-opt", "train=20",
             "--data-opt", "dev=10", "--data-opt", "test=10"]  # fmt: skip
    assert status_of(["run", "--rtn", "shift", "--quiet", "--output", str(tmp_path / "run"), *short]) == 0
