"""From options given several times to the configurations to compare."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from xltransfer import __version__
from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.registry import METHODS

FIXED = ("task", "task_options", "data", "data_options", "target", "data_seed", "output", "plugin")
"""Fields of which there is one value: scores are compared on the same test sentences."""
_SPOKEN = ("method", "rtn", "backend", "encoder", "precision", "mixing", "attention")
"""Fields whose values say what they are of."""
_IMMATERIAL = ("seed", "output", "device", "checkpoint_steps", "checkpoint_minutes")
_SEVERAL = tuple(spec.name for spec in fields(RunConfig) if isinstance(spec.default, tuple))


@dataclass(frozen=True)
class Cell:
    """One of the things compared, under the name it has in the table. `config` has no seed or folder of its own;
    `key` holds all of it that matters.
    """

    name: str
    config: RunConfig
    key: str

    def run_name(self, seed: int) -> str:
        """A folder's name, which the same run has in every comparison, and no other."""
        digest = hashlib.sha256(f"{self.key} {seed} {__version__}".encode()).hexdigest()[:8]
        return f"{self.config.method}-seed{seed}-{digest}"


def cells_of(given: Mapping[str, Any], base: RunConfig) -> list[Cell]:
    """Every combination of the options given several times, `base` for the others; the same run is there once.

    `given` has lists of strings, as on the command line: of `layer` and `source`, which a run may have several of, each
    is one alternative, `2,3` two together. Raises ConfigError, for every combination that cannot be run.
    """
    alternatives = _alternatives(given)
    if faults := [
        f"{name}: received {', '.join(map(str, given[name]))}; allowed: one, since scores are compared on the same "
        "test sentences; 'xlt run' once for each."
        for name in FIXED
        if name in alternatives
    ]:
        raise ConfigError(faults)
    found: dict[str, Cell] = {}
    for values in itertools.product(*alternatives.values()):
        changes = dict(zip(alternatives, values, strict=True))
        config = _changed(base, changes).validated()
        unused = _unused(config)
        used = {name: value for name, value in changes.items() if name.partition(".")[0] not in unused}
        matters = {name: value for name, value in config.to_dict().items() if name not in (*unused, *_IMMATERIAL)}
        key = json.dumps(matters, sort_keys=True)
        found.setdefault(key, Cell("/".join(_spoken(*one) for one in used.items()) or config.method, config, key))
    return list(found.values())


def _alternatives(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of every field, or option of a part, that was given several times."""
    found: dict[str, list[Any]] = {}
    for name, values in given.items():
        if name == "plugin" or not isinstance(values, list):
            continue
        if name.endswith("_options"):
            for key, several in _by_key(values).items():
                found[f"{name}.{key}"] = several
        else:
            found[name] = [value.split(",") if name in _SEVERAL else value for value in dict.fromkeys(values)]
    return {name: values for name, values in found.items() if len(values) > 1}


def _by_key(pairs: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in dict.fromkeys(pairs):
        key, _, value = pair.partition("=")
        found.setdefault(key, []).append(value)
    return found


def first_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """One value of each option: the first of those given, as `xlt run` would take it."""
    found: dict[str, Any] = {}
    for name, values in given.items():
        if name.endswith("_options"):
            found[name] = [f"{key}={several[0]}" for key, several in _by_key(values).items() if key] or values
        elif name == "plugin":
            found[name] = values
        else:
            found[name] = values[0].split(",") if name in _SEVERAL else values[0]
    return found


def _changed(base: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    raw = base.to_dict()
    for name, value in changes.items():
        field, _, option = name.partition(".")
        raw[field] = {**raw[field], option: value} if option else value
    return RunConfig.from_mapping(raw)


def _unused(config: RunConfig) -> set[str]:
    """The fields that change nothing in this run: without an RTN its layer, without a meta-gradient the backend."""
    method = METHODS.load(config.method)
    unused = set() if method.uses_rtn else {"rtn", "rtn_options", "layer", "meta_lr"}
    return unused if method.uses_backend else unused | {"backend", "backend_options"}


def _spoken(name: str, value: Any) -> str:
    said = "+".join(value) if isinstance(value, list) else str(value)
    field, _, option = name.partition(".")
    if option:
        return f"{option}={said}"
    return said if field in _SPOKEN else f"{field.replace('_', ' ')} {said}"
