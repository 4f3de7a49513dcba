"""Figures as files; matplotlib is imported when one is drawn, and is an extra."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def file_faults(file: Path | None) -> list[str]:
    """What keeps `--plot` from being drawn: the file's name, or no matplotlib."""
    if file is None:
        return []
    if file.suffix not in KINDS:
        return [f"plot: received {str(file)!r}; allowed: a name that ends in {', '.join(KINDS)}."]
    return [] if find_spec("matplotlib") else ["plot: needs matplotlib; run: pip install 'xltransfer[report]'."]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, file: Path) -> None:
    """Write it, with its folder; an SVG is the same bytes for the same figure."""
    import matplotlib

    file.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "xltransfer"}):
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
