"""Expand values and alternatives into the configurations of a table."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.registry import BACKENDS, DATASETS, ENCODERS, METHODS, RTNS, TASKS, Registry
from xltransfer.registry.options import INNER, options_of
from xltransfer.utils.version import __version__

FIXED = ("task", "task_options", "data", "data_options", "target", "data_seed")
"""Fields of which a column of a table has one value: scores are compared on the same test sentences."""
PARTS: dict[str, Registry] = {"method": METHODS, "rtn": RTNS, "backend": BACKENDS}
"""Parts that may vary within a column, each with its own options."""
_VALUE_ONLY = ("method", "rtn", "backend", "encoder", "precision", "mixing", "attention")
"""Fields whose values are clear without the field's name."""
_IMMATERIAL = (
    "seed",
    "output",
    "device",
    "plugin",
    "checkpoint_steps",
    "checkpoint_minutes",
    "skip_nonfinite",
    "track",
    "unknown_words",
)

Build = Callable[[dict[str, Any]], RunConfig]


@dataclass(frozen=True)
class Cell:
    """One configuration under its name in the table. `config` has no seed or folder of its own;
    `key` holds all that its scores depend on; `column` is what it is scored on, `row` what its name begins with.
    """

    name: str
    config: RunConfig
    key: str
    column: str
    row: str = ""

    def run_name(self, seed: int) -> str:
        """The folder name of a run: the same in every comparison, unique to the run."""
        digest = hashlib.sha256(f"{self.key} {seed} {__version__}".encode()).hexdigest()[:8]
        return f"{self.config.method}-seed{seed}-{digest}"


@dataclass(frozen=True)
class Row:
    """Settings shared by cells: the start of their names, and their parts' names.

    `known` are the names that each part has anywhere in the table. An option of such a part goes to those that have it.
    """

    name: str = ""
    own: Mapping[str, str] | None = None
    known: Mapping[str, Collection[str]] | None = None


def cells_of(
    values: Mapping[str, Any], alternatives: Mapping[str, list[Any]], build: Build, row: Row | None = None
) -> list[Cell]:
    """Combine `alternatives` with `values`; drops duplicate runs.

    Alternatives are of fields, or of an option of a part as in `rtn_options.bottleneck`. `build` makes a configuration
    of one value of each. Raises ConfigError for a combination that cannot be.
    """
    row = row or Row(known={part: alternatives[part] for part in PARTS if part in alternatives})
    found: dict[str, Cell] = {}
    for chosen in itertools.product(*alternatives.values()):
        cell = _cell(values, dict(zip(alternatives, chosen, strict=True)), build, row)
        found.setdefault(cell.key, cell)
    return list(found.values())


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Apply changes to values; `rtn_options.bottleneck` changes one option."""
    one = dict(values)
    for name, value in changes.items():
        field, _, option = name.partition(".")
        one[field] = {**(one.get(field) or {}), option: value} if option else value
    return one


def _cell(values: Mapping[str, Any], changes: Mapping[str, Any], build: Build, row: Row) -> Cell:
    one = _with_fitting_options(with_changes(values, changes), row)
    try:
        config = build(one).validated()
    except ConfigError as error:
        name = _name(row.name, changes)
        raise ConfigError([f"{name}: {fault}" if name else fault for fault in error.faults]) from error
    unused = _unused(config)
    used = {name: value for name, value in changes.items() if _is_used(name, one, unused)}
    name = _name(row.name, used) or config.method
    return Cell(name, config, _key(config, unused), config.target or config.data, row.name)


def _with_fitting_options(one: dict[str, Any], row: Row) -> dict[str, Any]:
    """Drop options that belong only to other parts of the table."""
    for part, names in (row.known or {}).items():
        registry, options = PARTS[part], one.get(f"{part}_options")
        if options:
            name = (row.own or {}).get(part) or one.get(part) or getattr(RunConfig, part)
            one[f"{part}_options"] = {
                key: value
                for key, value in options.items()
                if _takes(registry, name, key) or not any(_takes(registry, other, key) for other in names)
            }
    return one


def _takes(registry: Registry, name: str, key: str) -> bool:
    """Whether a part, or a part nested in it, accepts an option."""
    own = options_of(registry.load(name))
    return key in own or (key.startswith(INNER) and "inner" in own)


def _unused(config: RunConfig) -> set[str]:
    """Return the fields without effect in this run, such as the layer without an RTN."""
    method = METHODS.load(config.method)
    unused = set() if method.uses_rtn else {"rtn", "rtn_options", "layer", "meta_lr"}
    unused |= set() if config.taught else {"unlabelled", "unlabelled_size", "unlabelled_keep"}
    return unused if method.uses_backend else unused | {"backend", "backend_options"}


def _is_used(name: str, one: Mapping[str, Any], unused: set[str]) -> bool:
    field, _, option = name.partition(".")
    return field not in FIXED and field not in unused and (not option or option in one[field])


def _key(config: RunConfig, unused: set[str]) -> str:
    matters = {name: value for name, value in config.to_dict().items() if name not in (*unused, *_IMMATERIAL)}
    places = (config.data, config.source_data, config.encoder, config.teacher,
              config.unlabelled if config.taught else None)  # fmt: skip
    read = [list(_files(Path(place))) for place in places if place]
    return json.dumps([matters, read, list(_plugins(config, unused))], sort_keys=True)


def _files(place: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and modification time of a file, or of the files in a folder; nothing of what is neither."""
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            yield str(path.relative_to(place)), path.stat().st_size, path.stat().st_mtime_ns


def _plugins(config: RunConfig, unused: set[str]) -> Iterator[str]:
    """Yield digests of the plugin files, if a part of the run is not built in."""
    parts = {**PARTS, "encoder": ENCODERS, "task": TASKS, "data": DATASETS, "source_data": DATASETS}
    named = [(registry, getattr(config, part)) for part, registry in parts.items() if part not in unused]
    classes = [registry.load(name) for registry, name in named if name is not None and name in registry]
    if any(not part.__module__.startswith("xltransfer.") for part in classes):
        for plugin in config.plugin:
            yield hashlib.sha256(Path(plugin).read_bytes()).hexdigest()


def _name(row: str, changes: Mapping[str, Any]) -> str:
    return "/".join([*([row] if row else []), *(display_value(name, value) for name, value in changes.items())])


def display_value(name: str, value: Any) -> str:
    """Format a value of a field or option for a table."""
    text = "+".join(map(str, value)) if isinstance(value, list | tuple) else _plain(value)
    field, _, option = name.partition(".")
    if option:
        return f"{option}={text}"
    return text if field in _VALUE_ONLY else f"{field.replace('_', ' ')} {text}"


def _plain(value: Any) -> str:
    return {True: "yes", False: "no", None: "none"}[value] if value is None or isinstance(value, bool) else str(value)


_BARE = ("data", "target")
"""Fields whose values name a column without the field's name."""


def name_columns(cells: Sequence[Cell]) -> list[Cell]:
    """Set the column name of each cell; each task has its own table."""
    found = {}
    for task in dict.fromkeys(cell.config.task for cell in cells):
        own = [cell for cell in cells if cell.config.task == task]
        varied = [name for name in _names(own) if len({repr(_value(cell, name)) for cell in own}) > 1]
        for cell in own:
            label = "/".join(_column_value(name, _value(cell, name)) for name in varied)
            found[id(cell)] = replace(cell, column=label or cell.config.target or cell.config.data)
    return [found[id(cell)] for cell in cells]


def _names(cells: Sequence[Cell]) -> list[str]:
    """List the fields, and options in them, that have one value per column."""
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


def _column_value(name: str, value: Any) -> str:
    return str(value) if name in _BARE and value is not None else display_value(name, value)
