"""Draw the study's figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
from differences import Line, interval, pair_of, paired

from xltransfer.utils.pictures import save

METHODS = ("target-only", "joint", "joint-rtn", "released", "metaxl", "transformation", "frozen")
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]


def plot_differences(lines: Sequence[Line], file: Path) -> None:
    """Draw each pair's mean difference from joint training, a mark a method; a dot a seed."""
    shown = [method for method in METHODS if method not in ("joint", "target-only")]
    values = [
        {"pair": pair, "method": method, "difference": value}
        for method in shown for pair, found in paired(lines, method, "joint").items() for value in found
    ]  # fmt: skip
    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    title = "test score minus that of joint training, points (large marks: means over seeds)"
    base = alt.Chart(alt.InlineData(values=values)).encode(
        alt.Y("pair:N", scale=alt.Scale(domain=pairs), title=None),
        alt.YOffset("method:N", scale=alt.Scale(domain=shown, paddingOuter=1)),
        _by("method", shown), _by("method", shown, shape=True),
    )  # fmt: skip
    seeds = base.mark_point(filled=True, size=10, opacity=0.45).encode(alt.X("difference:Q", title=title))
    means = base.mark_point(filled=True, size=45, opacity=1).encode(alt.X("mean(difference):Q", title=title))
    zero = _rule(alt.X("at:Q", title=title), 0)
    save(alt.layer(zero, seeds, means).properties(width=560, height=alt.Step(9)), file)


def plot_distance(lines: Sequence[Line], file: Path) -> None:
    """Draw differences from joint training over the distance of an embedded language, with 95 % intervals."""
    shown = ["metaxl", "transformation", "frozen", "target-only"]
    values: list[dict[str, Any]] = []
    for index, method in enumerate(shown):
        for pair, found in paired(lines, method, "joint").items():
            mean, low, high = interval(found)
            distance = int(pair.rpartition("→d")[2]) / 100 + 0.006 * (index - 1.5)
            values.append({"distance": distance, "method": method, "mean": mean, "low": low, "high": high})
    title = "test F1 minus that of joint training, points"
    base = alt.Chart(alt.InlineData(values=values)).encode(
        alt.X("distance:Q", title="distance of the target language"), _by("method", shown)
    )
    intervals = base.mark_rule().encode(alt.Y("low:Q", title=title), alt.Y2("high:Q"))
    means = alt.Y("mean:Q", title=title)
    marks = base.mark_point(filled=True, size=45, opacity=1).encode(means, _by("method", shown, shape=True))
    zero = _rule(alt.Y("at:Q", title=title), 0)
    save(alt.layer(zero, intervals, base.mark_line().encode(means), marks).properties(width=460, height=260), file)


def plot_mixtures(lines: Sequence[Line], file: Path) -> None:
    """Draw the share of its batches that the bandit took from each source, a bar a run."""
    drawn = sorted(lines, key=lambda line: (line["target"], line["seed"]))
    languages = sorted({name for line in drawn for name in line["mixture"]})
    values = [
        {"run": f"{line['target']} {line['seed']}", "language": language, "share": line["mixture"].get(language, 0.0)}
        for line in drawn for language in languages
    ]  # fmt: skip
    title = "share of the source batches"
    bars = alt.Chart(alt.InlineData(values=values)).mark_bar().encode(
        alt.X("run:N", sort=None, title="target and seed"), alt.Y("share:Q", title=title), _by("language", languages)
    )  # fmt: skip
    half = _rule(alt.Y("at:Q", title=title), 0.5, strokeDash=[2, 2])
    save(alt.layer(bars, half).properties(width=alt.Step(22), height=220), file)


def _by(field: str, domain: list[str], shape: bool = False) -> alt.Color | alt.Shape:
    """Colours of a legend in that order, or shapes."""
    legend = alt.Legend(orient="right")
    if shape:
        return alt.Shape(f"{field}:N", scale=alt.Scale(domain=domain, range=_SHAPES[: len(domain)]), legend=legend)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=domain), legend=legend)


def _rule(channel: alt.X | alt.Y, value: float, **how: Any) -> alt.Chart:
    """A line across the chart."""
    rule: alt.Chart = alt.Chart(alt.InlineData(values=[{"at": value}])).mark_rule(**how).encode(channel)
    return rule
