"""The search space: numeric ranges and lists of choices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from xltransfer.errors import did_you_mean
from xltransfer.experiments.grid import FIXED
from xltransfer.experiments.sweeps.fields import name_fault, read_seeds, type_faults

_KEYS = ("trials", "seeds", "ranges")
_BOUNDS = ("low", "high", "log")
TRIALS = 20


@dataclass(frozen=True)
class Range:
    """A range from `low` to `high` (integers if both are; log-uniform if `log`), or a list of `choices`."""

    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, Any]:
        """Two example values of the range."""
        return (self.choices[0], self.choices[-1]) if self.choices else (self.low, self.high)


@dataclass(frozen=True)
class Search:
    """Settings of a search: trials per row, each scored on dev with all seeds."""

    trials: int
    seeds: tuple[int, ...]
    ranges: Mapping[str, Range]


def read_search(raw: Any, seeds: tuple[int, ...], grid: Collection[str], faults: list[str]) -> Search:
    """Read the search section of a sweep file; appends to `faults`."""
    if not isinstance(raw, Mapping):
        faults.append(f"search: received {raw!r}; allowed: a mapping of {', '.join(_KEYS)}.")
        return Search(0, (), {})
    faults += [f"search: unknown key {name!r}; allowed: {', '.join(_KEYS)}.{did_you_mean(str(name), _KEYS)}"
               for name in raw if name not in _KEYS]  # fmt: skip
    trials = raw.get("trials", TRIALS)
    if type(trials) is not int or trials < 1:
        faults.append(f"search: trials: received {trials!r}; allowed: a whole number, 1 or more.")
    own = read_seeds(raw["seeds"], "search: seeds", faults) if "seeds" in raw else seeds
    ranges = raw.get("ranges")
    if not isinstance(ranges, Mapping) or not ranges:
        faults.append(
            f"search: ranges: received {ranges!r}; allowed: options with {{low: , high: }} or a list of values."
        )
        return Search(0, (), {})
    found = {}
    for name, one in ranges.items():
        if not name_fault(name, "search", faults):
            found[name] = _range(name, one, faults)
            faults += _place_faults(name, grid)
    return Search(trials, own, found)


def _place_faults(name: str, grid: Collection[str]) -> list[str]:
    if name in grid:
        return [f"search: {name} is varied by the grid; give it in one of the two places."]
    if name.partition(".")[0] in FIXED or name == "plugin" or name.endswith("_options"):
        return [f"search: {name} cannot be searched; allowed: what a column of the table may have several of, and "
                "options of parts one by one, as in rtn_options.NAME."]  # fmt: skip
    return []


def _range(name: str, raw: Any, faults: list[str]) -> Range:
    if isinstance(raw, list) and raw:
        if "." not in name:
            faults += [fault for one in raw for fault in type_faults({name: one}, "search")]
        return Range(choices=tuple(tuple(one) if isinstance(one, list) else one for one in raw))
    known = isinstance(raw, Mapping) and {"low", "high"} <= set(raw) <= set(_BOUNDS)
    bounds = [_number(raw["low"]), _number(raw["high"])] if known else [None, None]
    low, high = bounds
    log = raw.get("log", False) if known else False
    if low is None or high is None or not isinstance(log, bool) or not low < high or (log and low <= 0):
        faults.append(f"search: {name}: received {raw!r}; allowed: {{low: X, high: Y}} with X < Y, and log: true if X "
                      "is above 0; or a list of values.")  # fmt: skip
        return Range()
    return Range(low, high, log)


def _number(raw: Any) -> float | None:
    """Convert to a number; YAML reads 1e-3, without a point, as text."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        return raw if isinstance(raw, int) else float(raw)
    except ValueError:
        return None
