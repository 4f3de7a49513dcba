"""Wherever a command writes, a path that cannot be is one line that names it; nothing is left half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.refusals import SHORT, SYNTHETIC
from tests.tiers import covering, first_quick
from xltransfer.cli.main import status_of
from xltransfer.training.run import RunResult

Capture = pytest.CaptureFixture[str]
LONG = "a" * 300


def _link_to_itself() -> str:
    Path("loop").symlink_to("loop")
    return "loop/out"


def _below_a_file() -> str:
    Path("file").write_text("mine")
    return "file/out"


def _is_a_folder() -> str:
    Path("folder").mkdir()
    return "folder"


BAD: dict[str, Callable[[], str]] = {
    "a name too long": lambda: LONG,
    "a long name in the middle": lambda: f"{LONG}/out",
    "a path too long": lambda: "/".join(["b" * 200] * 30),
    "a link to itself": _link_to_itself,
    "below a file": _below_a_file,
    "no folder can be made there": lambda: "/proc/none/out",
    "NUL in the name": lambda: "a\0b",
    "half of a surrogate pair": lambda: "a\udcff\ud800b",
}
FOLDERS: dict[str, list[str]] = {
    "run": [*SHORT, *SYNTHETIC, "--output"],
    "compare": ["compare", *SHORT[1:], *SYNTHETIC, "--method", "joint", "--method", "metaxl", "--output"],
    "sweep": ["sweep", "s.yaml", "--output"],
    "export": ["export", "finished"],
    "report --figures": ["report", "finished", "--figures"],
    "data prepare": ["data", "prepare", "sentipers", "--source", "x.xlsx", "--index", "i.txt", "--output"],
}
FILES: dict[str, list[str]] = {
    "report --output": ["report", "finished", "--output"],
    "predict": ["predict", "finished", "--input", "line.txt", "--output"],
    "bench --json": ["bench", "--length", "4", "--batch", "2", "--repeats", "1", "--json"],
    "bench --plot": ["bench", "--length", "4", "--batch", "2", "--repeats", "1", "--over", "length", "--plot"],
}


@pytest.fixture(autouse=True)
def here(finished_runs: dict[str, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_runs["ner"].run_dir, "finished")
    Path("line.txt").write_text("Fi tafa gor.")
    Path("s.yaml").write_text("options: {data: synthetic, epochs: 1}\nrows: [{method: joint}]\nseeds: [1]\n")


@pytest.mark.parametrize("command, fault", covering([*FOLDERS, *FILES], list(BAD)))
def test_paths_that_cannot_be(command: str, fault: str, capsys: Capture) -> None:
    path = BAD[fault]()
    refused_in_one_line([*{**FOLDERS, **FILES}[command], path], capsys)


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_a_files_place(command: str, capsys: Capture) -> None:
    refused_in_one_line([*FILES[command], _is_a_folder()], capsys)
    assert not list(Path("folder").iterdir())


def refused_in_one_line(arguments: list[str], capsys: Capture) -> None:
    before = {path for path in Path().rglob("*") if "finished" not in path.parts}
    status = status_of(arguments)
    told = capsys.readouterr()
    lines = [line for line in told.err.strip().splitlines() if not line.startswith("warning: ")]
    assert status in (1, 2), told
    assert lines[-1].startswith("xlt: error: "), told.err
    assert "Traceback" not in told.err
    assert len(lines[-1]) < 1000
    assert {path for path in Path().rglob("*") if "finished" not in path.parts} == before


@pytest.mark.parametrize("fault", first_quick(BAD))
def test_a_cache_that_cannot_be_is_no_hindrance(fault: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = BAD[fault]()
    if not path.isprintable():
        pytest.skip("an environment variable cannot hold it")
    monkeypatch.setenv("XLT_CACHE", path)
    assert status_of([*SHORT, *SYNTHETIC, "--output", "out"]) == 0, capsys.readouterr().err
