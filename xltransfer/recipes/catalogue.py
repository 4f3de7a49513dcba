"""Find recipes, named configurations in the package's YAML files: published experiments, and what works best.

A file holds groups. A group's `values` are a run's configuration; each of its `axes` adds to them by a choice; `names`
puts the choices' own names together, as in `ner-{pair}{size}{method}`. So every recipe is one line of each axis.
A group may say in `needs` what a user has to bring: option by option, how to get it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from xltransfer.config import read_yaml
from xltransfer.errors import ConfigError, did_you_mean
from xltransfer.registry.values import shown

FOLDER = Path(__file__).parent
_PARTS = ("task", "data", "source_data", "method", "rtn", "backend")


@dataclass(frozen=True)
class Recipe:
    """A named set of configuration values; `needs` maps an option to how a user gets its value."""

    name: str
    values: Mapping[str, Any]
    needs: Mapping[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """One line: task, languages, method and sizes, or what is left to the user."""
        value = self.values
        languages = f"{' + '.join(value['source'])} to {value['target']}, " if "target" in value else ""
        sizes = f", {value['source_size']:,} and {value['target_size']} training sentences" if languages else ""
        taught = f", {value['rounds']} round of self-training" if value.get("rounds") else ""
        encoder = value.get("encoder", "your data and encoder")
        return f"{value['task']}: {languages}{value['method']}{taught}{sizes}, {encoder}"

    def with_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Override its values by those given; replacing a part drops the part's options.

        Raises ConfigError if something is not given that the recipe needs.
        """
        if missing := [f"{name}: {how}" for name, how in self.needs.items() if name not in given]:
            raise ConfigError([f"recipe {self.name}: {text}" for text in missing])
        merged = dict(self.values)
        for part in _PARTS:
            if part in given and given[part] != merged.get(part):
                merged.pop(f"{part}_options", None)
        for name, value in given.items():
            merged[name] = {**merged.get(name, {}), **value} if name.endswith("_options") else value
        return merged


@cache
def recipes() -> dict[str, Recipe]:
    """Load all recipes by name. Raises ConfigError on a duplicate name."""
    found: dict[str, Recipe] = {}
    for file in sorted(FOLDER.glob("*/*.yaml")):
        for group in read_yaml(file)["groups"]:
            for recipe in _expanded(file.parent.name, group):
                if recipe.name in found:
                    raise ConfigError([f"recipe {recipe.name!r} is in {file.name} and in another file or group."])
                found[recipe.name] = recipe
    return found


def find(name: str) -> Recipe:
    """Find a recipe by name. Raises ConfigError with the nearest names."""
    known = recipes()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError([f"recipe: received {shown(name)}; xlt ls recipes lists the {len(known)} there are.{hint}"])
    return known[name]


def _expanded(prefix: str, group: Mapping[str, Any]) -> Iterator[Recipe]:
    axes: dict[str, dict[str, dict[str, Any]]] = group["axes"]
    for chosen in itertools.product(*axes.values()):
        values = dict(group["values"])
        for axis, choice in zip(axes, chosen, strict=True):
            values |= axes[axis][choice]
        name = group["names"].format(**dict(zip(axes, chosen, strict=True)))
        yield Recipe(f"{prefix}/{name}", values, group.get("needs") or {})
