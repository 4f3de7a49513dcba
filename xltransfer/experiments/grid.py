"""From options given several times to the configurations to compare."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from xltransfer import __version__
from xltransfer.config import INNER, RunConfig
from xltransfer.errors import ConfigError
from xltransfer.options import options_of
from xltransfer.registry import BACKENDS, DATASETS, ENCODERS, METHODS, RTNS, TASKS, Registry, load_plugin

FIXED = ("task", "task_options", "data", "data_options", "target", "data_seed")
"""Fields of which there is one value: scores are compared on the same test sentences."""
_SPOKEN = ("method", "rtn", "backend", "encoder", "precision", "mixing", "attention")
"""Fields whose values say what they are of."""
_IMMATERIAL = ("seed", "output", "device", "plugin", "checkpoint_steps", "checkpoint_minutes", "skip_nonfinite")
_SEVERAL = tuple(spec.name for spec in fields(RunConfig) if isinstance(spec.default, tuple))
_PARTS: dict[str, Registry] = {"method": METHODS, "rtn": RTNS, "backend": BACKENDS}

Build = Callable[[dict[str, Any]], RunConfig]


@dataclass(frozen=True)
class Cell:
    """One of the things compared, under the name it has in the table. `config` has no seed or folder of its own;
    `key` holds all that its scores depend on.
    """

    name: str
    config: RunConfig
    key: str

    def run_name(self, seed: int) -> str:
        """A folder's name, which the same run has in every comparison, and no other."""
        digest = hashlib.sha256(f"{self.key} {seed} {__version__}".encode()).hexdigest()[:8]
        return f"{self.config.method}-seed{seed}-{digest}"


def cells_of(given: Mapping[str, list[str]], build: Build) -> list[Cell]:
    """Every combination of the options given several times; the same run is there once.

    `given` has the options of the command line; of `layer` and `source`, which a run may have several of, each is one
    alternative, `2,3` two together; options of parts are NAME=VALUE. `build` makes a configuration of one value of
    each, as `xlt run` would take them. An option of a part that is varied goes to those that have it. Raises
    ConfigError for a combination that cannot be.
    """
    for plugin in given.get("plugin", []):
        load_plugin(Path(plugin).resolve())
    alternatives = _alternatives(given)
    if faults := [
        f"{name.replace('.', ' ')}: received {', '.join(map(str, values))}; allowed: one, since scores are compared on "
        "the same test sentences; 'xlt run' once for each."
        for name, values in alternatives.items()
        if name.partition(".")[0] in FIXED
    ]:
        raise ConfigError(faults)
    found: dict[str, Cell] = {}
    for values in itertools.product(*alternatives.values()):
        changes = dict(zip(alternatives, values, strict=True))
        cell = _cell(given, changes, alternatives, build)
        found.setdefault(cell.key, cell)
    return list(found.values())


def _cell(
    given: Mapping[str, list[str]], changes: Mapping[str, Any], alternatives: Mapping[str, list[Any]], build: Build
) -> Cell:
    one = _one(given, changes, alternatives)
    try:
        config = build(one).validated()
    except ConfigError as error:
        name = _name(changes)
        raise ConfigError([f"{name}: {fault}" if name else fault for fault in error.faults]) from error
    unused = _unused(config)
    used = {name: value for name, value in changes.items() if _is_used(name, one, unused)}
    return Cell(_name(used) or config.method, config, _key(config, unused))


def _alternatives(given: Mapping[str, list[str]]) -> dict[str, list[Any]]:
    """The values of every field, or option of a part, that was given several times."""
    found: dict[str, list[Any]] = {}
    for name, values in given.items():
        if name == "plugin":
            continue
        if name.endswith("_options"):
            found |= {f"{name}.{key}": several for key, several in _by_key(values).items()}
        else:
            found[name] = [value.split(",") if name in _SEVERAL else value for value in dict.fromkeys(values)]
    return {name: values for name, values in found.items() if len(values) > 1}


def _by_key(pairs: Sequence[str]) -> dict[str, list[str]]:
    """The values of each option."""
    found: dict[str, list[str]] = {}
    for pair in dict.fromkeys(pairs):
        key, _, value = pair.partition("=")
        found.setdefault(key, []).append(value)
    return found


def _one(
    given: Mapping[str, list[str]], changes: Mapping[str, Any], alternatives: Mapping[str, list[Any]]
) -> dict[str, Any]:
    """One value of each option: that of `changes`, or the first."""
    one: dict[str, Any] = {}
    for name, values in given.items():
        if name.endswith("_options"):
            firsts = {pair.partition("=")[0]: pair for pair in reversed(values)}
            one[name] = [
                f"{key}={changes[f'{name}.{key}']}" if f"{name}.{key}" in changes else firsts[key]
                for key in dict.fromkeys(pair.partition("=")[0] for pair in values)
            ]
        elif name == "plugin":
            one[name] = values
        else:
            one[name] = changes.get(name, values[0].split(",") if name in _SEVERAL else values[0])
    for part, registry in _PARTS.items():
        if part in alternatives and f"{part}_options" in one:
            one[f"{part}_options"] = [
                pair
                for pair in one[f"{part}_options"]
                if _takes(registry, one[part], pair)
                or not any(_takes(registry, other, pair) for other in alternatives[part])
            ]
    return one


def _takes(registry: Registry, name: str, pair: str) -> bool:
    """Whether a part has an option, or a part inside it may have it."""
    own, key = options_of(registry.load(name)), pair.partition("=")[0]
    return key in own or (key.startswith(INNER) and "inner" in own)


def _unused(config: RunConfig) -> set[str]:
    """The fields that change nothing in this run: without an RTN its layer, without a meta-gradient the backend."""
    method = METHODS.load(config.method)
    unused = set() if method.uses_rtn else {"rtn", "rtn_options", "layer", "meta_lr"}
    return unused if method.uses_backend else unused | {"backend", "backend_options"}


def _is_used(name: str, one: Mapping[str, Any], unused: set[str]) -> bool:
    field, _, option = name.partition(".")
    return field not in unused and (not option or any(pair.startswith(f"{option}=") for pair in one[field]))


def _key(config: RunConfig, unused: set[str]) -> str:
    matters = {name: value for name, value in config.to_dict().items() if name not in (*unused, *_IMMATERIAL)}
    read = [list(_files(Path(place))) for place in (config.data, config.source_data, config.encoder) if place]
    return json.dumps([matters, read, list(_plugins(config, unused))], sort_keys=True)


def _files(place: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of change of the files in a folder; of a name that is no folder, none."""
    for path in sorted(place.rglob("*")) if place.is_dir() else []:
        if path.is_file():
            yield str(path.relative_to(place)), path.stat().st_size, path.stat().st_mtime_ns


def _plugins(config: RunConfig, unused: set[str]) -> Iterator[str]:
    """Digests of the plugin files, if a part of the run is none of xltransfer's own."""
    parts = {**_PARTS, "encoder": ENCODERS, "task": TASKS, "data": DATASETS, "source_data": DATASETS}
    named = [(registry, getattr(config, part)) for part, registry in parts.items() if part not in unused]
    classes = [registry.load(name) for registry, name in named if name is not None and name in registry]
    if any(not part.__module__.startswith("xltransfer.") for part in classes):
        for plugin in config.plugin:
            yield hashlib.sha256(Path(plugin).read_bytes()).hexdigest()


def _name(changes: Mapping[str, Any]) -> str:
    return "/".join(_spoken(name, value) for name, value in changes.items())


def _spoken(name: str, value: Any) -> str:
    said = "+".join(value) if isinstance(value, list) else str(value)
    field, _, option = name.partition(".")
    if option:
        return f"{option}={said}"
    return said if field in _SPOKEN else f"{field.replace('_', ' ')} {said}"
