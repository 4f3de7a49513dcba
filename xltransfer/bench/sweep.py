"""Repeat a measurement over values of one setting: batch, length, layer, vocabulary or encoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from xltransfer.bench.measure import Measured, Progress, Wanted, measure
from xltransfer.bench.setting import RANDOM, BenchSetting, layer_total
from xltransfer.errors import ConfigError, unknown

AXES = {
    "batch-size": ("batch", "sentences of each language a step"),
    "length": ("length", "subwords of a sentence"),
    "layer": ("layer", "encoder layers above the insertion"),
    "vocabulary": ("vocabulary", "rows of the word embedding"),
    "encoder": ("encoder", "encoder"),
}
"""Settings that can be varied: field and axis title."""


@dataclass(frozen=True)
class Point:
    """The measurements at one value."""

    value: int | str
    place: float | str
    """Position on the axis: layers above the insertion if layers are varied, else the value."""
    steps: list[Measured]

    def to_dict(self) -> dict[str, Any]:
        """Convert for JSON."""
        return dataclasses.asdict(self)


def parse(given: str) -> tuple[str, list[int | str]]:
    """Parse `batch-size=4,8,16`. Raises ConfigError."""
    name, _, listed = given.partition("=")
    if name not in AXES:
        raise ConfigError([unknown("over", name, AXES)])
    values = [value for value in listed.split(",") if value]
    if not values or (name != "encoder" and not all(value.isdigit() for value in values)):
        kind = "names" if name == "encoder" else "whole numbers"
        raise ConfigError([f"over: received {given!r}; allowed: {name}= and {kind} with commas between."])
    return name, list(values) if name == "encoder" else [int(value) for value in values]


def sweep(
    setting: BenchSetting, name: str, values: list[int | str], names: list[str], wanted: Wanted, progress: Progress
) -> list[Point]:
    """Measure at each of `values`. Raises UserError, where possible before measuring."""
    field = AXES[name][0]
    settings = [_at(setting, field, value) for value in values]
    faults = list(dict.fromkeys(fault for one in settings for fault in one.faults()))
    if name == "vocabulary" and setting.encoder not in RANDOM:
        faults.append(f"over: vocabulary varies only with random weights: --encoder {', '.join(RANDOM)}.")
    if faults:
        raise ConfigError(faults)
    points = []
    for value, one in zip(values, settings, strict=True):
        found = measure(one, names, wanted, _prefixed(progress, f"{name} {value}: "))
        points.append(Point(value, layer_total(setting) - int(value) if field == "layer" else value, found))
    return points


def _at(setting: BenchSetting, field: str, value: int | str) -> BenchSetting:
    changed: dict[str, Any] = {field: (value,) if field == "layer" else value}
    return dataclasses.replace(setting, **changed)


def _prefixed(progress: Progress, start: str) -> Progress:
    return lambda text: progress(start + text)
