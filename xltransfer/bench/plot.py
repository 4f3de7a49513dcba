"""Draw the step times of a sweep."""

from __future__ import annotations

from pathlib import Path

from xltransfer.bench.sweep import AXES, Point
from xltransfer.utils.pictures import save


def plot(points: list[Point], name: str, file: Path) -> None:
    """Draw the seconds a step of each candidate over the varied setting, and their ratio to a joint step.

    PNG, SVG or PDF. A machine's speed drifts from point to point; the ratio, measured in turns at each point, does not.
    """
    import altair as alt

    compared = points[0].steps[0].ratio is not None
    values = [
        {"place": point.place, "name": step.name, "seconds": step.seconds, "ratio": step.ratio,
         "low": step.quartiles[0], "high": step.quartiles[1]}
        for point in points for step in point.steps
    ]  # fmt: skip
    names = [step.name for step in points[0].steps]
    places, title = [point.place for point in points], AXES[name][1]
    if isinstance(places[0], str):
        x = alt.X("place:N", sort=None, title=title, axis=alt.Axis(labelAngle=0))
    else:
        x = alt.X(
            "place:Q",
            title=title,
            axis=alt.Axis(values=[float(place) for place in places], format="d"),
            scale=alt.Scale(padding=8),
        )
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x, alt.Color("name:N", scale=alt.Scale(domain=names), legend=alt.Legend(columns=3))
    ).properties(width=320, height=240)  # fmt: skip
    label = "seconds a step (median, middle half)"
    quartiles = base.mark_area(opacity=0.2).encode(alt.Y("low:Q", title=label), alt.Y2("high:Q"))
    seconds = alt.layer(quartiles, base.mark_line(point=True).encode(alt.Y("seconds:Q", title=label)))
    ratio = base.mark_line(point=True).encode(alt.Y("ratio:Q", title="joint-training steps"))
    save(alt.hconcat(seconds, ratio) if compared else seconds, file)
