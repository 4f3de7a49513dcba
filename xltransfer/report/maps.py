"""The map of sentence vectors: where its points lie for each layer, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xltransfer.report.charts import ticks
from xltransfer.report.representations import STAGES, Analysis

SIZE, FLATTEST, MARGIN = 480, 300, 14
"""Width of the drawing and its least height, in the units of its viewBox; it is a square at most."""

SET_NAMES = {"source": "source", "transformed": "source, transformed", "target": "target"}


@dataclass(frozen=True)
class Row:
    """A sentence of the data table: of which languages, and where it is in the state shown first."""

    part: str
    number: int
    text: str
    point: tuple[float, float] | None
    transformed: tuple[float, float] | None


@dataclass(frozen=True)
class MapView:
    """`payload` has the points of every state, for the page's script; the rest is the state shown first."""

    layer: str
    stage: str
    layers: tuple[str, ...]
    stages: tuple[str, ...]
    sets: tuple[str, ...]
    places: dict[str, list[tuple[float, float] | None]]
    rows: list[Row]
    payload: dict[str, Any]
    height: float


def map_view(analysis: Analysis) -> MapView | None:
    """After training, at the first insertion layer that the map has. None: there is nothing on it."""
    stages = tuple(stage for stage in STAGES if analysis.points.get(stage))
    layers = tuple(layer for layer in analysis.layers if any(analysis.points[stage].get(layer) for stage in stages))
    if not stages or not layers or not analysis.sets:
        return None
    layer = next((layer for layer in analysis.insertion if layer in layers), layers[0])
    scale, (left, top), height = _scale(analysis.limits)
    payload = {
        "scale": scale,
        "origin": [left, top],
        "points": {
            stage: {
                layer: {name: [[_short(x), _short(y)] for x, y in points] for name, points in sets.items()}
                for layer, sets in analysis.points[stage].items()
            }
            for stage in stages
        },
    }
    shown = analysis.points[stages[-1]].get(layer, {})
    counts = {name: len(analysis.sentences["target" if name == "target" else "source"]) for name in analysis.sets}
    places: dict[str, list[tuple[float, float] | None]] = {
        name: [(round(left + scale * x, 1), round(top - scale * y, 1)) for x, y in shown[name]]
        if name in shown else [None] * counts[name]
        for name in analysis.sets
    }  # fmt: skip
    return MapView(layer, stages[-1], layers, stages, analysis.sets, places, _rows(analysis, shown), payload, height)


def _scale(limits: tuple[float, float, float, float]) -> tuple[float, tuple[float, float], float]:
    """Units of the drawing for one of the map, the same on both axes; where its origin lies; the drawing's height."""
    low_x, high_x, low_y, high_y = limits
    across, up = high_x - low_x, high_y - low_y
    inner = SIZE - 2 * MARGIN
    scale = inner / (max(across, up) or 1.0)
    height = round(max(FLATTEST, scale * up + 2 * MARGIN), 1)
    centre_x, centre_y = (low_x + high_x) / 2, (low_y + high_y) / 2
    return scale, (SIZE / 2 - scale * centre_x, height / 2 + scale * centre_y), height


def grid(view: MapView) -> tuple[list[float], list[float]]:
    """Places of upright and level lines."""
    scale, (left, top) = view.payload["scale"], view.payload["origin"]
    across = [left + scale * x for x in ticks(-left / scale, (SIZE - left) / scale, 4)]
    up = [top - scale * y for y in ticks((top - view.height) / scale, top / scale, 4)]
    return [round(x, 1) for x in across if 0 < x < SIZE], [round(y, 1) for y in up if 0 < y < view.height]


def _rows(analysis: Analysis, shown: dict[str, Any]) -> list[Row]:
    rows = []
    for part, sentences in analysis.sentences.items():
        points, moved = shown.get(part), shown.get("transformed") if part == "source" else None
        for index, text in enumerate(sentences):
            own, transformed = (None if column is None else _rounded(column[index]) for column in (points, moved))
            rows.append(Row(part, index + 1, text, own, transformed))
    return rows


def _rounded(point: tuple[float, float]) -> tuple[float, float]:
    return _short(point[0]), _short(point[1])


def _short(value: float) -> float:
    return float(f"{value:.4g}")
