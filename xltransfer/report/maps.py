"""Prepare the map of sentence vectors for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xltransfer.report.charts import map_chart, map_points, page_spec
from xltransfer.report.representations import SET_NAMES, STAGES, Analysis


@dataclass(frozen=True)
class MapView:
    """The state shown first as `spec` and `rows`; `points[stage][layer][set]` has every state for the page's script."""

    layer: str
    stage: str
    layers: tuple[str, ...]
    stages: tuple[str, ...]
    sets: tuple[str, ...]
    spec: dict[str, Any]
    rows: list[tuple[Any, ...]]
    """Source or target, number, sentence, its point, and its point after the RTN; None where there is no such point."""
    points: dict[str, Any]


def map_view(analysis: Analysis) -> MapView | None:
    """Show the state after training at the first insertion layer on the map; None if the map is empty."""
    stages = tuple(stage for stage in STAGES if analysis.points.get(stage))
    layers = tuple(layer for layer in analysis.layers if any(analysis.points[stage].get(layer) for stage in stages))
    if not stages or not layers or not analysis.sets:
        return None
    layer = next((layer for layer in analysis.insertion if layer in layers), layers[0])
    points = {
        stage: {
            layer: {SET_NAMES[name]: [(one["x"], one["y"]) for one in map_points({name: sets[name]})] for name in sets}
            for layer, sets in analysis.points[stage].items()
        }
        for stage in stages
    }
    shown = points[stages[-1]].get(layer, {})
    moved = {"source": shown.get(SET_NAMES["transformed"])}
    rows = [
        (part, index + 1, text, *(found and found[index] for found in (shown.get(part), moved.get(part))))
        for part, sentences in analysis.sentences.items()
        for index, text in enumerate(sentences)
    ]
    spec = page_spec(map_chart(analysis.points[stages[-1]].get(layer, {}), analysis))
    sets = tuple(SET_NAMES[name] for name in analysis.sets)
    return MapView(layer, stages[-1], layers, stages, sets, spec, rows, points)
