"""Allow only code that the user names or installs, never code named by a file.

A plugin file, or a class as `package.module:Class`, in a configuration file or a run folder is refused unless the
command line (or the Python call) gives it too. Registered names are free: what is registered, the user has installed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from xltransfer.errors import ConfigError

_PARTS = ("task", "data", "source_data", "encoder", "method", "rtn", "backend")


def checked(raw: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Merge a file's values with those given, which win. `where` names the file.

    Raises ConfigError if the file alone names code.
    """
    faults = _plugin_faults(raw, given, where)
    faults += [fault for part in _PARTS for fault in _part_faults(raw, given, part, where)]
    if faults:
        raise ConfigError(faults)
    merged = dict(raw)
    for name, value in given.items():
        old = merged.get(name)
        both = name.endswith("_options") and isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = {**old, **value} if both and old is not None else value
    return merged


def code_flags(values: Mapping[str, Any]) -> str:
    """The command-line options that name the same code as `values`; empty if none."""
    named = [(flag, value) for part in _PARTS for flag, value, _ in _classes(values, {}, part)]
    return " ".join([_plugin_flags(values), *(f"{flag}{shlex.quote(value)}" for flag, value in named)]).strip()


def named_code(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a configuration that name code."""
    found: dict[str, Any] = {"plugin": values["plugin"]} if values.get("plugin") else {}
    for part in _PARTS:
        if names_code(values.get(part), part):
            found[part] = values[part]
        if names_code(inner := (values.get(f"{part}_options") or {}).get("inner")):
            found[f"{part}_options"] = {"inner": inner}
    return found


def names_code(value: Any, part: str = "") -> TypeGuard[str]:
    """Whether a part's name is a `module:Class` to import; an encoder may be a folder."""
    return isinstance(value, str) and ":" in value and not (part == "encoder" and Path(value).exists())


def _plugin_flags(values: Mapping[str, Any]) -> str:
    named = values.get("plugin") or []
    files = named if isinstance(named, list | tuple) else [named]
    return " ".join(f"--plugin {shlex.quote(str(file))}" for file in files)


def _plugin_faults(raw: Mapping[str, Any], given: Mapping[str, Any], where: str) -> list[str]:
    flags = "" if "plugin" in given else _plugin_flags(raw)
    message = f"plugin: {where} names code; nothing is run that you do not name yourself. If you trust it, add: {flags}"
    return [message] if flags else []


def _classes(values: Mapping[str, Any], given: Mapping[str, Any], part: str) -> list[tuple[str, str, bool]]:
    """The classes that are named for a part or inside it: the flag, the class, and whether one is given instead."""
    options, own = values.get(f"{part}_options"), given.get(f"{part}_options")
    pairs = [(f"--{part.replace('_', '-')} ", values.get(part), part in given)]
    if isinstance(options, Mapping):
        pairs += [(f"--{part.replace('_', '-')}-opt {name}=", value, isinstance(own, Mapping) and name in own)
                  for name, value in options.items() if name == "inner"]  # fmt: skip
    return [(flag, value, overridden) for flag, value, overridden in pairs if names_code(value, part)]


def _part_faults(raw: Mapping[str, Any], given: Mapping[str, Any], part: str, where: str) -> list[str]:
    return [
        f"{part}: {where} names the code {value!r}; nothing is imported that you do not name yourself. If you trust "
        f"it, add: {flag}{value}"
        for flag, value, overridden in _classes(raw, given, part)
        if not overridden
    ]
