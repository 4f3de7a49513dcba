"""`xlt sweep --engine ray`, on a Ray of its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.refusals import refused
from tests.sweeping import CUT, CUT_RUNS, FOUR, scores, swept, without_processes, write
from xltransfer.cli.main import status_of

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_stopped_and_with_a_killed_process_it_gives_the_same_scores(capsys: Capture, interruptible: None) -> None:
    pytest.importorskip("ray")
    write(CUT_RUNS)
    Path("cut.py").write_text(CUT)
    arguments = ["--plugin", "cut.py", "--workers", "2", "--engine", "ray"]
    with without_processes():
        whole, _ = swept(capsys, "--plugin", "cut.py", "--output", "whole")
    Path("signal").write_text(f"{os.getpid()} {int(signal.SIGTERM)}")
    assert status_of(["sweep", "s.yaml", "--quiet", *arguments]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert list(Path("runs/sweep-s").glob("*/checkpoint/*"))
    Path("signal").write_text(f"worker {int(signal.SIGKILL)}")
    report, told = swept(capsys, *arguments)
    assert "its process died; it goes on from its last checkpoint" in told
    assert scores(report) == scores(whole)


def test_no_ray_is_told(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused(capsys, ["sweep", write(FOUR), "--engine", "ray"], "pip install 'xltransfer[distributed]'")


def test_no_cluster_is_told(capsys: Capture) -> None:
    pytest.importorskip("ray")
    refused(capsys, ["sweep", write(FOUR), "--engine", "ray", "--address", "nowhere"], "address: received 'nowhere'")
