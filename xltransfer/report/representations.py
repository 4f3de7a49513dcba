"""Read analysis.json of `xlt analyze`: distances, the effect of the RTN, and a map of sentence vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.errors import ConfigError

STAGES = ("before", "after")
SETS = ("source", "transformed", "target")
SET_NAMES = {"source": "source", "transformed": "source, transformed", "target": "target"}
_LONGEST = 300
"""Most letters of a sentence on the map."""

MEASURES = {
    "hausdorff": "Hausdorff",
    "hausdorff_average": "average Hausdorff",
    "hausdorff_95": "Hausdorff, 95th percentile",
    "centroid": "of the centres",
    "classifier": "classifier accuracy",
    "neighbour_overlap": "neighbour overlap",
    "cka": "linear CKA",
}
PAIRS = {
    "source-target": "source and target",
    "transformed-target": "transformed source and target",
    "source-transformed": "source and transformed source",
}

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Distance:
    """A formatted measure of two sets at a layer, before and after training."""

    measure: str
    before: str
    after: str


@dataclass(frozen=True)
class TokenChange:
    """Relative norm of the RTN's change, and gate if any, of one kind of token, before and after training."""

    kind: str
    count: str
    norms: tuple[str, str]
    gates: tuple[str, str]


@dataclass(frozen=True)
class SentenceWeights:
    """The weights of source sentences after training, if the RTN weighs them: quantiles and extremes."""

    mean: str
    quantiles: tuple[tuple[str, str], ...]
    """Share of the sentences below, and the weight."""
    most: tuple[tuple[str, str], ...]
    """Weight and sentence."""
    least: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Analysis:
    """The content of analysis.json, with formatted numbers; points are at `points[stage][layer][set]`."""

    layers: tuple[str, ...]
    insertion: tuple[str, ...]
    distances: dict[str, dict[str, list[Distance]]]
    """By layer and pair of sets."""
    kept: dict[str, dict[str, str]]
    """By layer and set: linear CKA of the same sentences before and after training."""
    tokens: dict[str, list[TokenChange]]
    ranks: dict[str, tuple[str, str]]
    weights: SentenceWeights | None
    method: str
    explained: tuple[float, ...]
    sentences: dict[str, tuple[str, ...]]
    points: dict[str, dict[str, dict[str, Points]]]

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets that the map has at any layer and stage."""
        return tuple(name for name in SETS if any(name in found for found in self._states()))

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """Smallest and largest x, smallest and largest y over all layers and stages."""
        found = [point for state in self._states() for points in state.values() for point in points] or [(0.0, 0.0)]
        across, up = zip(*found, strict=True)
        return min(across), max(across), min(up), max(up)

    def _states(self) -> Iterator[Mapping[str, Points]]:
        for by_layer in self.points.values():
            yield from by_layer.values()


def read_analysis(file: Path) -> Analysis | None:
    """Read the file; None if there is none. Raises ConfigError."""
    if not file.is_file():
        return None
    try:
        return _analysis(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError([f"analysis: {str(file)!r} is not as 'xlt analyze' writes it ({type(error).__name__}: "
                           f"{error}). Analyze the run again, or move the file away."]) from error  # fmt: skip


def _analysis(raw: Mapping[str, Any]) -> Analysis:
    layers = tuple(map(str, raw["layers"]))
    plan = raw["map"]
    sentences = {name: tuple(_shortened(text) for text in plan["sentences"][name]) for name in ("source", "target")}
    points = {
        stage: {
            layer: {name: _points(found, sentences[name.replace("transformed", "source")]) for name, found in
                    sets.items() if name in SETS}
            for layer, sets in plan["points"][stage].items() if layer in layers
        }
        for stage in STAGES if stage in plan["points"]
    }  # fmt: skip
    tokens, ranks = _rtn(raw.get("rtn") or {}, layers)
    return Analysis(
        layers,
        tuple(map(str, raw["insertion"])),
        {layer: found for layer in layers if (found := _distances(raw["distances"], layer))},
        {
            layer: {str(name): _number(value) for name, value in found.items()}
            for layer, found in (raw.get("moved") or {}).items()
            if layer in layers
        },
        tokens,
        ranks,
        _weights((raw.get("weights") or {}).get("after")),
        str(plan["method"]),
        tuple(float(share) for share in plan.get("explained") or ()),
        sentences,
        points,
    )


def _points(raw: Any, sentences: tuple[str, ...]) -> Points:
    if len(raw) != len(sentences):
        raise ValueError(f"{len(raw)} points for {len(sentences)} sentences")
    found = tuple((float(x), float(y)) for x, y in raw)
    if not all(math.isfinite(value) for point in found for value in point):
        raise ValueError("a point is not finite")
    return found


def _shortened(text: Any) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _distances(raw: Mapping[str, Any], layer: str) -> dict[str, list[Distance]]:
    by_stage = [(raw.get(stage) or {}).get(layer) or {} for stage in STAGES]
    found: dict[str, list[Distance]] = {}
    for pair, name in PAIRS.items():
        stages = [stage.get(pair) or {} for stage in by_stage]
        measures = [*MEASURES, *sorted({measure for stage in stages for measure in stage} - set(MEASURES))]
        rows = [
            Distance(MEASURES.get(measure, measure.replace("_", " ")), *(_interval(one.get(measure)) for one in stages))
            for measure in measures
            if any(measure in stage for stage in stages)
        ]
        if rows:
            found[name] = rows
    return found


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    value, low, high = (_number(found.get(name)) for name in ("value", "low", "high"))
    return value if "–" in (low, high) else f"{value} ({low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high})"


def _rtn(
    raw: Mapping[str, Any], layers: tuple[str, ...]
) -> tuple[dict[str, list[TokenChange]], dict[str, tuple[str, str]]]:
    """Return the token changes and the effective ranks, by layer."""
    tokens: dict[str, list[TokenChange]] = {}
    ranks: dict[str, tuple[str, str]] = {}
    for layer in layers:
        by_stage = [(raw.get(stage) or {}).get(layer) or {} for stage in STAGES]
        if not any(by_stage):
            continue
        kinds = dict.fromkeys(str(kind) for stage in by_stage for kind in stage.get("tokens", {}))
        tokens[layer] = [_change(kind, [stage.get("tokens", {}).get(kind, {}) for stage in by_stage]) for kind in kinds]
        first, last = (_number(stage.get("effective_rank")) for stage in by_stage)
        ranks[layer] = (first, last)
    return tokens, ranks


def _change(kind: str, found: list[Mapping[str, Any]]) -> TokenChange:
    count = next((str(stage["count"]) for stage in found if "count" in stage), "–")
    norms, gates = ([_number(stage.get(name)) for stage in found] for name in ("relative_norm", "gate"))
    return TokenChange(kind, count, (norms[0], norms[1]), (gates[0], gates[1]))


def _weights(raw: Mapping[str, Any] | None) -> SentenceWeights | None:
    if raw is None:
        return None
    most, least = (
        tuple((_number(one["weight"]), _shortened(one["sentence"])) for one in raw[name]) for name in ("most", "least")
    )
    quantiles = tuple(
        (f"{100 * float(share):g}\N{NO-BREAK SPACE}%", _number(value)) for share, value in raw["quantiles"].items()
    )
    return SentenceWeights(_number(raw["mean"]), quantiles, most, least)


def _number(value: Any) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3g}"
