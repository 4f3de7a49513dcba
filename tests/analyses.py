"""A small made-up analysis.json, of the form that `xlt analyze` writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

SETS = ("source", "transformed", "target")
MEASURES = ("hausdorff", "hausdorff_average", "hausdorff_95", "centroid", "classifier", "neighbour_overlap")


def made_up(source: list[str], target: list[str], transformed: bool = True) -> dict[str, Any]:
    """Three layers; training brings the sets nearer. Without `transformed`: a run that has no RTN."""
    layers = [2, 3, 4]
    stages = {"before": 2.0, "after": 0.5}
    analysis: dict[str, Any] = {
        "layers": layers,
        "insertion": [2],
        "languages": {"source": ["base"], "target": "far"},
        "distances": {
            stage: {str(layer): _distances(apart + layer, transformed) for layer in layers}
            for stage, apart in stages.items()
        },
        "moved": {str(layer): {name: 0.8 for name in SETS if transformed or name != "transformed"} for layer in layers},
        "rtn": {stage: {"2": _rtn(apart)} for stage, apart in stages.items()} if transformed else {},
        "weights": {stage: _weights(spread, source) for stage, spread in (("before", 0.0), ("after", 0.5))},
        "map": {
            "method": "pca",
            "explained": [0.31, 0.12],
            "sentences": {"source": source, "target": target},
            "points": {
                stage: {str(layer): _points(len(source), len(target), apart, layer, transformed) for layer in layers}
                for stage, apart in stages.items()
            },
        },
    }
    return analysis


def _weights(spread: float, source: list[str]) -> dict[str, Any]:
    named = [{"weight": 1 + spread, "sentence": text} for text in source[:5]]
    return {
        "mean": 1.0,
        "quantiles": {"0.05": 1 - spread, "0.5": 1.0, "0.95": 1 + spread},
        "most": named,
        "least": [{**one, "weight": 1 - spread} for one in named],
    }


def put_into(run_dir: Path, source: list[str] | None = None, target: list[str] | None = None) -> dict[str, Any]:
    """Write one into a run folder."""
    plain = [f"sentence {number}" for number in range(30)]
    analysis = made_up(source or plain, target or plain[:20])
    (run_dir / "analysis.json").write_text(json.dumps(analysis), encoding="utf-8")
    return analysis


def _distances(apart: float, transformed: bool) -> dict[str, Any]:
    pairs = ("source-target", "transformed-target") if transformed else ("source-target",)
    found: dict[str, Any] = {
        pair: {
            measure: {"value": apart + index, "low": apart + index - 0.25, "high": apart + index + 0.25}
            for index, measure in enumerate(MEASURES)
        }
        for pair in pairs
    }
    if transformed:
        found["source-transformed"] = {"cka": {"value": 0.9, "low": None, "high": None}}
    return found


def _rtn(apart: float) -> dict[str, Any]:
    return {
        "tokens": {
            "word start": {"count": 100, "relative_norm": 0.1 + apart / 10, "gate": None},
            "special": {"count": 60, "relative_norm": 0.5, "gate": None},
        },
        "effective_rank": 12.3 - apart,
    }


def _points(source: int, target: int, apart: float, layer: int, transformed: bool) -> dict[str, Any]:
    """Each set a spiral, so that no two points coincide."""
    sets = {
        "source": _spiral(source, -apart, layer),
        "target": _spiral(target, apart, layer),
        "transformed": _spiral(source, -apart / 2, layer + 1),
    }
    return sets if transformed else {name: points for name, points in sets.items() if name != "transformed"}


def _spiral(count: int, centre: float, turns: float) -> list[list[float]]:
    angles = [turns * number for number in range(count)]
    return [
        [
            centre + math.sqrt(number + 1) / 4 * math.cos(angle),
            0.3 * centre + math.sqrt(number + 1) / 4 * math.sin(angle),
        ]
        for number, angle in enumerate(angles)
    ]
