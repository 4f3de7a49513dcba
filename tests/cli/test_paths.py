"""Wherever a command writes, a path that cannot be is one line that names it; nothing is left half-written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.test_adapt import write_encoder
from tests.cli.test_data_files import PREPARE, write_corpus
from tests.refusals import SHORT, SYNTHETIC, mounted
from tests.sweeping import VALUES
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
REASONS = {
    "a name too long": "File name too long",
    "a long name in the middle": "File name too long",
    "a path too long": "File name too long|up to 4096 characters",
    "a link to itself": "Too many levels of symbolic links|File exists|'loop' is not a folder",
    "below a file": "Not a directory|'file' is not a folder",
    "no folder can be made there": "No such file or directory|'/proc/none' is not a folder",
    "NUL in the name": "NUL|null",
    "half of a surrogate pair": "surrogate",
}
FOLDERS: dict[str, list[str]] = {
    "run": [*SHORT, *SYNTHETIC, "--output"],
    "compare": ["compare", *SHORT[1:], *SYNTHETIC, "--method", "joint", "--method", "metaxl", "--output"],
    "sweep": ["sweep", "s.yaml", "--output"],
    "export": ["export", "finished"],
    "adapt": ["adapt", "encoder", "--input", "lines.txt", "--quiet", "--output"],
    "report --figures": ["report", "finished", "--figures"],
    "data prepare": PREPARE[:-1],
}
BENCH = ["bench", "--quiet", "--backend", "func", "--length", "4", "--batch-size", "2", "--repeats", "1"]
FILES: dict[str, list[str]] = {
    "report --output": ["report", "finished", "--output"],
    "predict": ["predict", "finished", "--input", "line.txt", "--output"],
    "bench --json": [*BENCH, "--json"],
    "bench --plot": [*BENCH, "--over", "length=4", "--plot"],
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "plain")


@pytest.fixture(autouse=True)
def here(finished_runs: dict[str, RunResult], encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("encoder").symlink_to(encoder)
    Path("lines.txt").write_text("".join(f"fi tafa gor {number}\n" for number in range(12)))
    shutil.copytree(finished_runs["ner"].run_dir, "finished")
    Path("line.txt").write_text("Fi tafa gor.")
    Path("s.yaml").write_text(yaml.safe_dump({"values": VALUES, "rows": {"a": {"method": "joint"}}, "seeds": [1]}))
    write_corpus()


@pytest.mark.parametrize("command, fault", covering([*FOLDERS, *FILES], list(BAD)))
def test_paths_that_cannot_be(command: str, fault: str, capsys: Capture) -> None:
    path = BAD[fault]() + (".svg" if "--plot" in FILES.get(command, ()) else "")
    told = refused_in_one_line([*{**FOLDERS, **FILES}[command], path], capsys)
    assert re.search(REASONS[fault], told), told


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_a_files_place(command: str, capsys: Capture) -> None:
    if command == "bench --plot":
        pytest.skip("a picture's name ends in .svg")
    told = refused_in_one_line([*FILES[command], _is_a_folder()], capsys)
    assert re.search("Is a directory|exists|is a folder", told), told
    assert not list(Path("folder").iterdir())


NO_ROOM = {"ro": "Read-only file system", "size=4k": "No space left on device"}


@pytest.mark.parametrize("command, options", covering([*FOLDERS, *FILES], [*NO_ROOM]))
def test_a_disk_that_takes_nothing(command: str, options: str, capsys: Capture) -> None:
    arguments = {**FOLDERS, **FILES}[command]
    suffix = ".svg" if "--plot" in arguments else ""
    with mounted(Path("disk"), "-o", options):
        if options != "ro":
            Path("disk", "filler").write_bytes(b"x" * 4096)
        told = refused_in_one_line([*arguments, f"disk/out{suffix}"], capsys)
    assert NO_ROOM[options] in told


def files() -> set[Path]:
    """What there is, without folders and locks."""
    found = (path for path in Path().rglob("*") if "finished" not in path.parts and path.suffix != ".lock")
    return {path for path in found if not path.is_dir()}


def refused_in_one_line(arguments: list[str], capsys: Capture) -> str:
    before = files()
    status = status_of(arguments)
    told = capsys.readouterr()
    lines = [line for line in told.err.strip().splitlines() if not line.startswith("warning: ")]
    assert status in (1, 2), told
    assert lines[-1].startswith("xlt: error: "), told.err
    assert "Traceback" not in told.err
    assert len(lines[-1]) < 1000
    assert files() == before
    return lines[-1]


@pytest.mark.parametrize("fault", first_quick(BAD))
def test_a_cache_that_cannot_be_is_no_hindrance(fault: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = BAD[fault]()
    if not path.isprintable():
        pytest.skip("an environment variable cannot hold it")
    monkeypatch.setenv("XLT_CACHE", path)
    assert status_of([*SHORT, *SYNTHETIC, "--output", "out"]) == 0, capsys.readouterr().err
