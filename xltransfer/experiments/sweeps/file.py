"""Read a sweep file: rows, a grid and seeds, in YAML. It never names code to run."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig, read_yaml
from xltransfer.errors import ConfigError, UserError, did_you_mean
from xltransfer.experiments.compare import choose_baseline
from xltransfer.experiments.grid import PARTS, Cell, Row, cells_of, name_columns, with_changes
from xltransfer.experiments.search.space import Search, read_search
from xltransfer.experiments.sweeps.fields import name_fault, read_seeds, type_faults
from xltransfer.recipes.catalogue import Recipe, find, recipes
from xltransfer.registry import load_plugin
from xltransfer.registry.trusted_code import named_code

KEYS = ("values", "rows", "grid", "seeds", "baseline", "search")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class RowStart:
    """The start of a row: its own values, which override the file's, or a recipe, which they override."""

    values: Mapping[str, Any]
    recipe: Recipe | None = None

    def config(self, shared: Mapping[str, Any]) -> RunConfig:
        """Build the configuration of one combination. Raises ConfigError."""
        if self.recipe is not None:
            return RunConfig.from_mapping(self.recipe.with_options(shared))
        both = {name: {**shared[name], **value} if name.endswith("_options") and name in shared else value
                for name, value in self.values.items()}  # fmt: skip
        return RunConfig.from_mapping({**shared, **both})

    def part(self, part: str, shared: Mapping[str, Any]) -> str:
        """Return the name of the row's method, RTN or backend."""
        below = self.recipe.values if self.recipe else {}
        name: str = {**below, **shared, **self.values}.get(part) or getattr(RunConfig, part)
        return name

    def drop_values(self, names: Mapping[str, Any]) -> RowStart:
        """Return the row without the values that a search chooses."""
        kept = {name: value for name, value in self.values.items() if name not in names}
        for name in names:
            field, _, option = name.partition(".")
            if option and field in kept:
                kept[field] = {key: value for key, value in kept[field].items() if key != option}
        return replace(self, values=kept)


@dataclass(frozen=True)
class Sweep:
    """A sweep: rows × grid × seeds. `values` are shared by all runs; `grid` lists alternatives by field or option."""

    name: str
    where: str
    values: Mapping[str, Any]
    rows: Mapping[str, tuple[RowStart, ...]]
    grid: Mapping[str, list[Any]]
    seeds: tuple[int, ...]
    baseline: str | None
    search: Search | None = None

    def cells(self, chosen: Mapping[str, Mapping[str, Any]] | None = None) -> list[Cell]:
        """Expand rows and grid into cells; `chosen` values override all others. Raises ConfigError."""
        known = {part: self._names_of(part) for part in PARTS}
        found: dict[tuple[str, str, str], Cell] = {}
        made: list[Cell] = []
        faults: list[str] = []
        for name, starts in self.rows.items():
            own = (chosen or {}).get(name, {})
            values = with_changes(self.values, own)
            for start in (start.drop_values(own) for start in starts):
                parts = {part: start.part(part, values) for part in PARTS if part not in self.grid}
                try:
                    made += cells_of(values, self.grid, start.config, Row(name, parts, known))
                except UserError as error:
                    faults += error.faults if isinstance(error, ConfigError) else [f"{name}: {error}"]
        for cell in name_columns(made):
            if found.setdefault((cell.config.task, cell.column, cell.name), cell).key != cell.key:
                faults.append(f"rows: {cell.name!r} would be two different runs on {cell.column}: give each a row of "
                              "its own.")  # fmt: skip
        if faults:
            raise ConfigError([f"{self.where}: {fault}" for fault in dict.fromkeys(faults)])
        return list(found.values())

    def _names_of(self, part: str) -> list[str]:
        starts = [start for several in self.rows.values() for start in several]
        return self.grid.get(part) or list(dict.fromkeys(start.part(part, self.values) for start in starts))


def read_sweep(path: Path, plugins: Sequence[str] = ()) -> Sweep:
    """Read and check a sweep file; `plugins` are the files of code that the user names. Raises ConfigError."""
    where = f"sweep {str(path)!r}"
    try:
        raw = read_yaml(path)
    except ConfigError as error:
        raise ConfigError([fault.replace("configuration file", "sweep", 1) for fault in error.faults]) from error
    faults = [f"unknown key {name!r}; allowed: {', '.join(KEYS)}.{did_you_mean(str(name), KEYS)}"
              for name in raw if name not in KEYS]  # fmt: skip
    values = _values(raw.get("values", {}), "values", faults)
    rows = _rows(raw.get("rows"), faults)
    grid = _grid(raw.get("grid", {}), faults)
    seeds = read_seeds(raw.get("seeds", list(SEEDS)), "seeds", faults)
    search = read_search(raw["search"], seeds, grid, faults) if "search" in raw else None
    baseline = raw.get("baseline")
    if not isinstance(baseline, str | None):
        faults.append(f"baseline: received {baseline!r}; allowed: the name of a row.")
    faults += _duplicate_faults(rows, grid)
    faults = faults or _code_faults(values, rows, grid, plugins)
    if faults:
        raise ConfigError([f"{where}: {fault}" for fault in dict.fromkeys(faults)])
    for plugin in plugins:
        load_plugin(Path(plugin).resolve())
    values = with_changes(values, {name: several[0] for name, several in grid.items() if len(several) == 1})
    values |= {"plugin": list(plugins)} if plugins else {}
    varied = {name: several for name, several in grid.items() if len(several) > 1}
    sweep = Sweep(path.stem, where, values, rows, varied, seeds, baseline, search)
    try:
        choose_baseline(sweep.cells(), baseline)
    except ConfigError as error:
        raise ConfigError([f if f.startswith(where) else f"{where}: {f}" for f in error.faults]) from error
    return sweep


def _values(raw: Any, where: str, faults: list[str]) -> dict[str, Any]:
    """Read a mapping of values, with options of parts as mappings."""
    if not isinstance(raw, Mapping):
        faults.append(f"{where}: received {raw!r}; allowed: a mapping of a run's options, as in a config.yaml.")
        return {}
    found = {name: value for name, value in raw.items() if not name_fault(name, where, faults)}
    plain = {name: value for name, value in found.items() if "." not in name}
    before = len(faults)
    faults += type_faults(plain, where)
    return with_changes(plain, found) if len(faults) == before else {}


def _rows(raw: Any, faults: list[str]) -> dict[str, tuple[RowStart, ...]]:
    if raw is None:
        return {"": (RowStart({}),)}
    if isinstance(raw, list) and raw and all(isinstance(one, str) for one in raw):
        return {recipe.name: (RowStart({}, recipe),) for one in raw for recipe in _matching(one, "rows", faults)}
    if not isinstance(raw, Mapping) or not raw:
        faults.append(f"rows: received {raw!r}; allowed: names with values or recipes, or a list of recipes.")
        return {}
    return {str(name): tuple(_starts(one, f"rows: {name}", faults)) for name, one in raw.items()}


def _starts(raw: Any, where: str, faults: list[str]) -> list[RowStart]:
    several = raw if isinstance(raw, list) else [raw]
    if not several:
        faults.append(f"{where}: received none; allowed: a mapping of values, a recipe, or a list of them.")
    found = []
    for one in several:
        if isinstance(one, str):
            found += [RowStart({}, recipe) for recipe in _matching(one, where, faults)]
        else:
            found.append(RowStart(_values(one, where, faults)))
            if "plugin" in found[-1].values:
                faults.append(f"{where}: plugin is not given here; give it in 'values'.")
    return found


def _matching(pattern: str, where: str, faults: list[str]) -> list[Recipe]:
    try:
        return [recipes()[name] for name in fnmatch.filter(recipes(), pattern)] or [find(pattern)]
    except ConfigError as error:
        faults += [f"{where}: {fault}" for fault in error.faults]
        return []


def _grid(raw: Any, faults: list[str]) -> dict[str, list[Any]]:
    if not isinstance(raw, Mapping):
        faults.append(f"grid: received {raw!r}; allowed: options, each with a list of alternatives.")
        return {}
    found: dict[str, list[Any]] = {}
    for name, several in raw.items():
        if name_fault(name, "grid", faults):
            continue
        if name == "plugin" or name.endswith("_options"):
            allowed = "values: plugin" if name == "plugin" else f"one option of it, as in {name}.NAME"
            faults.append(f"grid: {name} cannot be varied; give {allowed}.")
        elif not isinstance(several, list) or not several:
            faults.append(f"grid: {name}: received {several!r}; allowed: a list of alternatives, as in [1, 2].")
        else:
            found[name] = [one for index, one in enumerate(several) if one not in several[:index]]
            if "." not in name:
                faults += [fault for one in found[name] for fault in type_faults({name: one}, "grid")]
    return found


def _duplicate_faults(rows: Mapping[str, Sequence[RowStart]], grid: Mapping[str, Any]) -> list[str]:
    """List values given in both a row and the grid: the row's would hide the grid's."""
    return [
        f"rows: {name}: {varied} is varied by the grid; give it in one of the two places."
        for name, starts in rows.items()
        for start in starts
        for varied in grid
        if start.drop_values({varied: None}) != start
    ]


def _code_faults(
    values: Mapping[str, Any],
    rows: Mapping[str, Sequence[RowStart]],
    grid: Mapping[str, list[Any]],
    plugins: Sequence[str],
) -> list[str]:
    named = values.get("plugin") or []
    given = {Path(plugin).resolve() for plugin in plugins}
    faults = [
        f"plugin: {file!r} is code, which no file can have run. If you trust it, add: --plugin {file}"
        for file in ([named] if isinstance(named, str) else named)
        if Path(file).resolve() not in given
    ]
    own = [start.values for starts in rows.values() for start in starts]
    varied = [with_changes({}, {name: one}) for name, several in grid.items() for one in several]
    for one in (values, *own, *varied):
        faults += [
            f"{part}: {found!r} names code, which no file can have run; register it in a plugin file and pass that "
            "with --plugin."
            for part, found in named_code(one).items()
            if part != "plugin"
        ]
    return faults
