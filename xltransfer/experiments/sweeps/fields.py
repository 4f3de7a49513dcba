"""Validate the field and option names in a sweep file; appends to `faults`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError, did_you_mean

_FIELDS = tuple(spec.name for spec in fields(RunConfig))
_ELSEWHERE = {"seed": "give seeds: [0, 1, 2] beside values",
              "output": "every run has a folder of its own; give --output"}  # fmt: skip


def name_fault(name: Any, where: str, faults: list[str]) -> bool:
    """Report a name that is neither a field nor an option such as `rtn_options.bottleneck`."""
    field, _, option = str(name).partition(".")
    if field in _ELSEWHERE:
        faults.append(f"{where}: {field} is not given here; {_ELSEWHERE[field]}.")
    elif field not in _FIELDS or (option and not field.endswith("_options")):
        faults.append(f"{where}: unknown option {name!r}.{did_you_mean(field, _FIELDS)}")
    else:
        return False
    return True


def type_faults(values: Mapping[str, Any], where: str) -> list[str]:
    """List values of the wrong type."""
    try:
        RunConfig.from_mapping(values)
    except ConfigError as error:
        return [f"{where}: {fault}" for fault in error.faults]
    return []


def read_seeds(raw: Any, name: str, faults: list[str]) -> tuple[int, ...]:
    """Read a list of seeds."""
    if not isinstance(raw, list) or not raw or not all(type(seed) is int and seed >= 0 for seed in raw):
        faults.append(f"{name}: received {raw!r}; allowed: a list of whole numbers, 0 or more.")
        return ()
    return tuple(dict.fromkeys(raw))
