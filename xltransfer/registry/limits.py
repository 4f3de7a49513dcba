"""Check numbers and texts of a configuration against what its fields, and files, can hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from xltransfer.registry.values import LARGEST
from xltransfer.utils.files import UNWRITABLE

MOST = 10**9
"""The largest count: of sentences, steps, layers and the like."""
LARGEST_SEED = 2**32 - 1
"""The largest seed: those of a run's passes are 2**22 times as large, and torch takes integers of 64 bits."""
_LONGEST_TEXT = 4096


def allowed_values(owner: type, name: str) -> tuple[str, ...]:
    """The choices of a dataclass field with a Literal type."""
    found: tuple[str, ...] = get_type_hints(owner)[name].__args__
    return found


def range_of(spec: Any) -> str:
    """The numbers that a field takes, as in "0 to 1" or "1 or more"; empty for other fields."""
    lowest, highest = spec.metadata["lowest"], spec.metadata["highest"]
    if lowest is None or highest is None:
        return ""
    return f"{lowest:g} or more" if highest in (MOST, LARGEST) else f"{lowest:g} to {highest:.12g}"


def number_faults(config: Any) -> Iterator[str]:
    """Numbers of a dataclass outside the bounds in the metadata of their fields."""
    for spec in dataclasses.fields(config):
        lowest, highest = spec.metadata["lowest"], spec.metadata["highest"]
        values = getattr(config, spec.name)
        if highest is None or values is None:
            continue
        for value in values if isinstance(values, tuple) else (values,):
            if lowest is not None and value < lowest:
                yield f"{spec.name}: received {_short(value)}; allowed: {lowest} or more."
            if value > highest:
                yield f"{spec.name}: received {_short(value)}; allowed: up to {highest}."


def text_faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Strings that no file name and no file can hold."""
    for name, value in values.items():
        options = [*value, *value.values()] if isinstance(value, dict) else value
        for text in options if isinstance(options, list) else [options]:
            if isinstance(text, str) and (UNWRITABLE.search(text) or len(text) > _LONGEST_TEXT):
                yield f"{name}: received {text[:60]!a}; allowed: up to {_LONGEST_TEXT} characters, without NUL and " \
                      "halves of surrogate pairs."  # fmt: skip


def _short(value: float) -> str:
    """A number in a message, which may have thousands of digits."""
    return str(value) if isinstance(value, float) or abs(value) < 10**20 else f"{value / 10**20:.0f}e20"
