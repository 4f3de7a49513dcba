"""Define the charts of a report in Altair, for the page and for figures in a paper.

Text of the data is in values and scale domains only: field names are fixed, and no Vega expression holds such text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import vl_convert

from xltransfer.report.curves import Curves
from xltransfer.report.labels import Confusion, LabelScore
from xltransfer.report.representations import SET_NAMES, Analysis, Points
from xltransfer.utils.pictures import style, vega_lite_version

_FEW = 12
"""A line of at most this many points has a mark at each."""
_DASHES = ([1, 0], [6, 4], [1.5, 4], [9, 3, 2, 3], [12, 4], [4, 2.5], [2, 2.5], [10, 3, 2, 3, 2, 3])
_SETS = [SET_NAMES[name] for name in ("source", "target", "transformed")]
Layers = alt.LayerChart | alt.FacetChart
"""The type that Altair gives to layers."""
_MARGIN = 0.03
"""Share of a map's size that is empty at each side."""


@cache
def bundle() -> str:
    """Return Vega-Embed, Vega-Lite and Vega as one script, which defines `vegaEmbed`."""
    script = vl_convert.javascript_bundle(vl_version=vega_lite_version())  # type: ignore[call-arg]  # a stub's fault
    return script.replace("</script", "<\\/script")


def page_style() -> dict[str, Any]:
    """Return the Vega-Lite configuration of the page: the colours are variables of its style sheet."""
    return style([f"var(--s{number})" for number in range(len(_DASHES))], "var(--ink)", "var(--muted)", "var(--rule)")


def page_spec(chart: Layers, fit: bool = False) -> dict[str, Any]:
    """Return the specification of a chart for the page's script, with its data under the name `points`.

    With `fit`, the chart's size includes its axes and legend.
    """
    spec: dict[str, Any] = chart.to_dict(validate=False)  # its parts were validated when they were made
    del spec["$schema"], spec["config"]
    spec["data"] = {"name": "points", "values": spec["datasets"].pop(spec["data"]["name"])}
    return spec | ({"autosize": {"type": "fit", "contains": "padding"}} if fit else {})


def line_chart(curves: Curves, width: int = 400, height: int = 230) -> Layers:
    """Draw a line for each series, with vertical rules at `curves.marks`; few or isolated points have marks."""
    points = [
        {"x": x, "y": None if y is None else _short(y), "name": name, **({"dot": True} if dot else {})}
        for name, values in curves.lines.items()
        for x, y, dot in zip(curves.x, values, _dots(values), strict=True)
    ]
    names = list(curves.lines)
    several = len(names) > 1 or names[0].lower() != curves.title.lower()
    legend = alt.Legend(columns=max(1, 46 // (max(map(len, names)) + 7)), symbolType="stroke",
                        symbolFillColor="transparent") if several else None  # fmt: skip
    colours = alt.Scale(domain=names)
    ticks = {"values": curves.x} if len(curves.x) <= _FEW else {"tickCount": 6}
    across = alt.Scale(domain=[curves.x[0], curves.x[-1]], zero=False, nice=False, padding=6)
    x = alt.X("x:Q", title=curves.x_name, scale=across,
              axis=alt.Axis(format="d", grid=False, labelOverlap=True, **ticks))  # fmt: skip
    y = _value_axis([value for values in curves.lines.values() for value in values if value is not None],
                    curves.log_scale)  # fmt: skip
    line = alt.Chart().mark_line().encode(
        x, y,
        alt.Color("name:N", scale=colours, legend=legend),
        alt.StrokeDash("name:N", scale=alt.Scale(domain=names, range=_DASHES[: len(names)]), legend=legend),
    )  # fmt: skip
    dots = (
        alt.Chart()
        .transform_filter("datum.dot")
        .mark_point(size=26, filled=True, opacity=1)
        .encode(x, y, alt.Color("name:N", scale=colours, legend=legend))
    )
    ends = alt.Chart(alt.InlineData(values=[{"x": x} for x in curves.marks if curves.x[0] <= x <= curves.x[-1]]))
    return alt.layer(
        ends.mark_rule(strokeDash=[1, 3]).encode(x="x:Q"), _chosen().mark_rule().encode(x="x:Q"), line, dots,
        data=alt.InlineData(values=points), width=width, height=height,
        description=f"{curves.title} over {curves.x_name}s",
    )  # fmt: skip


def map_chart(points: Mapping[str, Points], analysis: Analysis, size: int = 440) -> Layers:
    """Draw the sentence vectors of one layer and stage; the axes are the same at every layer and stage."""
    low_x, high_x, low_y, high_y = analysis.limits
    unit = max(high_x - low_x, high_y - low_y) or 1.0
    height = round(size * max(0.6, (high_y - low_y) / unit))
    shapes = alt.Scale(domain=_SETS, range=["circle", "square", "triangle-up"])
    x, y = (alt.X("x:Q", scale=_span(low_x, high_x, unit), axis=_plain_axis()),
            alt.Y("y:Q", scale=_span(low_y, high_y, unit * height / size), axis=_plain_axis()))  # fmt: skip
    legend = alt.Legend(values=[SET_NAMES[name] for name in analysis.sets])
    chosen = _chosen().encode(x, y)
    marks = alt.Chart().mark_point(filled=True, size=34, opacity=0.8).encode(
        x, y, alt.Color("set:N", scale=alt.Scale(domain=_SETS), legend=legend),
        alt.Shape("set:N", scale=shapes, legend=legend),
    )  # fmt: skip
    return alt.layer(
        marks, chosen.mark_line(), chosen.mark_point(size=160, strokeWidth=1.6),
        data=alt.InlineData(values=map_points(points)), width=size, height=height,
        description="Map of sentence vectors",
    )  # fmt: skip


def map_points(points: Mapping[str, Points]) -> list[dict[str, Any]]:
    """Return the points of one layer and stage, a row each."""
    return [{"x": _short(x), "y": _short(y), "set": SET_NAMES[name]} for name in points for x, y in points[name]]


def label_chart(scores: Sequence[LabelScore]) -> alt.Chart:
    """Draw precision, recall and F1 of each label as bars."""
    names = {"precision": "precision", "recall": "recall", "f1": "F1"}
    values = [
        {"label": f"{score.label} ({score.support})", "score": name, "points": 100 * getattr(score, key)}
        for score in scores
        for key, name in names.items()
    ]
    order = list(names.values())
    data = alt.InlineData(values=values)
    bars = alt.Chart(data, description="Scores by label", width=320, height=alt.Step(11)).mark_bar()
    chart: alt.Chart = bars.encode(
        alt.X("points:Q", scale=alt.Scale(domain=[0, 100]), title="points"),
        alt.Y("label:N", sort=None, title=None),
        alt.YOffset("score:N", sort=order),
        alt.Color("score:N", scale=alt.Scale(domain=order)),
    )
    return chart


def confusion_chart(found: Confusion) -> Layers:
    """Draw the counts of gold and predicted labels; a darker cell is a larger share of its gold label."""
    values = [
        {"gold": gold, "predicted": predicted, "count": count, "share": found.share(row, column)}
        for row, (gold, counts) in enumerate(zip(found.labels, found.counts, strict=True))
        for column, (predicted, count) in enumerate(zip(found.labels, counts, strict=True))
    ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        alt.X("predicted:N", sort=None, title="predicted", axis=alt.Axis(labelAngle=-90)),
        alt.Y("gold:N", sort=None, title="gold"),
    )
    scale = alt.Scale(domain=[0, 1], range=["#f5f6f8", "#0b57a4"])
    light = alt.when("datum.share > 0.5").then(alt.value("white")).otherwise(alt.value("black"))
    return alt.layer(
        base.mark_rect().encode(alt.Color("share:Q", scale=scale, legend=None)),
        base.transform_filter("datum.count > 0").mark_text(fontSize=9).encode(text="count:Q", color=light),
        width=alt.Step(28), height=alt.Step(28), description="Confusion matrix",
    )  # fmt: skip


def _chosen() -> alt.Chart:
    """Return a layer for the value chosen on the page by pointer or keyboard; it is empty in figures."""
    return alt.Chart(alt.InlineData(values=[], name="chosen"))


def _dots(values: Sequence[float | None]) -> list[bool]:
    """Whether each value has a mark: all values of a short line, and those between two gaps."""
    around = [None, *values, None]
    alone = (before is after is None for before, after in zip(around, around[2:], strict=False))
    return [value is not None and (len(values) <= _FEW or one) for value, one in zip(values, alone, strict=True)]


def _value_axis(values: Sequence[float], log_scale: bool) -> alt.Y:
    """Return the y axis. It starts at 0 unless the smallest value is near the largest or negative."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if log_scale:
        powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        axis = alt.Axis(values=powers[:: -(-len(powers) // 6)], format="~g")
        return alt.Y("y:Q", title=None, scale=alt.Scale(type="log", domain=[powers[0], powers[-1]]), axis=axis)
    around = (abs(low) or 1) / 2 if low == high else 0.0
    start = 0.0 if 0 < low < 0.7 * high else low - around
    scale = alt.Scale(domain=[start, high + around], nice=True, zero=False)
    return alt.Y("y:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5))


def _span(low: float, high: float, length: float) -> alt.Scale:
    """Return a scale of that length, centred on the values."""
    middle, half = (low + high) / 2, length * (0.5 + _MARGIN)
    return alt.Scale(domain=[middle - half, middle + half], nice=False, zero=False)


def _plain_axis() -> alt.Axis:
    return alt.Axis(title=None, labels=False, ticks=False, domain=False, tickCount=6)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
