"""Name the columns of a table by the data settings that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xltransfer.experiments.grid import FIXED, Cell, display_value

_BARE = ("data", "target")
"""Fields whose values are said alone."""


def name_columns(cells: Sequence[Cell]) -> list[Cell]:
    """Set the column name of each cell; each task has its own table."""
    found = {}
    for task in dict.fromkeys(cell.config.task for cell in cells):
        own = [cell for cell in cells if cell.config.task == task]
        varied = [name for name in _names(own) if len({repr(_value(cell, name)) for cell in own}) > 1]
        for cell in own:
            label = "/".join(_said(name, _value(cell, name)) for name in varied)
            found[id(cell)] = replace(cell, column=label or cell.config.target or cell.config.data)
    return [found[id(cell)] for cell in cells]


def _names(cells: Sequence[Cell]) -> list[str]:
    """Of the fields that a column has one value of, and of the options in them."""
    names = []
    for field in FIXED[1:]:
        if field.endswith("_options"):
            keys = dict.fromkeys(key for cell in cells for key in getattr(cell.config, field))
            names += [f"{field}.{key}" for key in keys]
        else:
            names.append(field)
    return names


def _value(cell: Cell, name: str) -> Any:
    field, _, option = name.partition(".")
    value = getattr(cell.config, field)
    return value.get(option) if option else value


def _said(name: str, value: Any) -> str:
    return str(value) if name in _BARE and value is not None else display_value(name, value)
