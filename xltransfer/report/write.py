"""Write a report: one HTML file, and figures for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xltransfer.errors import ConfigError
from xltransfer.report.figures import write_figures
from xltransfer.report.page import GENERATOR, render
from xltransfer.report.runs import read_run
from xltransfer.utils.files import refuse_link, write_text

NAME = "report.html"
LARGEST = 6_000_000
"""Most bytes of a page, so that it opens without delay."""


@dataclass(frozen=True)
class Written:
    """The files written, and the bytes of the page."""

    file: Path
    size: int
    figures: tuple[Path, ...]


def write(run_dirs: Sequence[Path], output: Path | None = None, figures: Path | None = None) -> Written:
    """Write a page of finished runs, and their figures if `figures` is given.

    A folder that holds runs stands for those that are finished. `output` is report.html in the folder given, or here
    for several. A report that is there is replaced. Raises ConfigError: no such run, not a finished one, something else
    has the name, too large; then nothing is written.
    """
    paths = [path for given in run_dirs for path in _runs_in(given)]
    runs = [read_run(path) for path in {path.resolve(): path for path in paths}.values()]
    file = output or (run_dirs[0] / NAME if len(run_dirs) == 1 else Path(NAME))
    _check_output(file)
    if figures is not None and (figures.exists() or figures.is_symlink()):
        raise ConfigError([f"figures: {str(figures)!r} exists; name another folder, or move that one away."])
    text = render(runs)
    if len(text.encode()) > LARGEST and len(runs) > 1:
        text = render(runs, with_maps=False)
    size = len(text.encode())
    if size > LARGEST:
        raise ConfigError([f"run: a report of these {len(runs)} would have {size / 1e6:.1f} MB; allowed: "
                           f"{LARGEST / 1e6:.0f} MB. Give fewer."])  # fmt: skip
    drawn: tuple[Path, ...] = ()
    if figures is not None:
        drawn = write_figures(runs, figures)
    write_text(file, text)
    return Written(file, size, drawn)


def _runs_in(folder: Path) -> list[Path]:
    """Return the folder itself if it is a run, else the finished runs in it."""
    if (folder / "config.yaml").is_file():
        return [folder]
    return sorted(file.parent for file in folder.glob("*/metrics.json")) or [folder]


def _check_output(file: Path) -> None:
    """Raise ConfigError unless a report may be written there."""
    refuse_link(file)
    if not file.parent.is_dir():
        raise ConfigError([f"output: {str(file.parent)!r} is not a folder; make it, or name another file."])
    if not file.exists():
        return
    if file.is_dir():
        raise ConfigError([f"output: {str(file)!r} is a folder; name a file in it, such as {str(file / NAME)!r}."])
    with file.open("rb") as opened:
        ours = f'<meta name="generator" content="{GENERATOR}">'.encode() in opened.read(400)
    if not ours:
        raise ConfigError([f"output: {str(file)!r} exists and is no report; name another file, or move it away."])
