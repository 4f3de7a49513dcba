"""Save Altair charts as PNG, SVG or PDF, in one style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xltransfer.utils.files import write_bytes, write_text

if TYPE_CHECKING:
    from altair import TopLevelMixin

KINDS = (".png", ".svg", ".pdf")
COLOURS = ("#0b61a4", "#b8430a", "#17734a", "#7b3fa0", "#806000", "#a8265f", "#12757f", "#555b63")
"""Of the series of a chart. Each has enough contrast on white; charts tell series apart by dashes or shapes too."""


def style(
    colours: Sequence[str] = COLOURS, ink: str = "#1b1f24", muted: str = "#57606a", rule: str = "#d4dae1"
) -> dict[str, Any]:
    """The Vega-Lite configuration of every chart; colours may be CSS variables where a browser draws it."""
    text = {"labelColor": muted, "titleColor": muted, "labelFontSize": 11, "titleFontSize": 11,
            "titleFontWeight": "normal"}  # fmt: skip
    return {
        "font": "system-ui, 'DejaVu Sans', 'Liberation Sans', Arial, sans-serif",
        "background": None,
        "aria": False,
        "range": {"category": list(colours)},
        "view": {"stroke": None},
        "title": {"anchor": "start", "frame": "group", "color": ink, "fontSize": 12, "offset": 8},
        "axis": {**text, "gridColor": rule, "domainColor": rule, "tickColor": rule, "labelLimit": 0},
        "legend": {**text, "labelColor": ink, "orient": "top", "title": None, "labelLimit": 0, "symbolSize": 90,
                   "symbolOpacity": 1, "symbolStrokeWidth": 2, "offset": 6},
        "line": {"color": ink, "strokeWidth": 1.8, "strokeCap": "round", "strokeJoin": "round"},
        "point": {"color": ink},
        "rule": {"color": muted},
        "text": {"color": ink},
    }  # fmt: skip


def file_faults(file: Path | None) -> list[str]:
    """List what is wrong with the file name of a picture."""
    if file is None or file.suffix in KINDS:
        return []
    return [f"plot: received {str(file)!r}; allowed: a name that ends in {', '.join(KINDS)}."]


def vega_lite_version() -> str:
    """Return the version of Vega-Lite that Altair writes, such as v6.4."""
    from altair import SCHEMA_VERSION

    return ".".join(SCHEMA_VERSION.split(".")[:2])


def save(chart: TopLevelMixin, *files: Path) -> None:
    """Write a chart on white, in the format of each file's suffix; the same chart gives the same SVG."""
    import vl_convert

    version = vega_lite_version()
    spec = {**chart.to_dict(), "config": {**style(), "background": "white"}}
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".png":
            write_bytes(file, vl_convert.vegalite_to_png(spec, vl_version=version, ppi=200))
        elif file.suffix == ".pdf":
            write_bytes(file, vl_convert.vegalite_to_pdf(spec, vl_version=version))
        else:
            write_text(file, vl_convert.vegalite_to_svg(spec, vl_version=version))
