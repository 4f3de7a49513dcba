"""`xlt ls`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.errors import ConfigError, RegistryError, unknown
from xltransfer.options import describe, options_of
from xltransfer.registry import REGISTRIES, Entry, Registry, load_plugin


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(sorted(REGISTRIES)))],
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="options too; imports the parts")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Python file that registers parts")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
) -> None:
    """List."""
    if kind not in REGISTRIES:
        raise ConfigError([unknown("kind", kind, REGISTRIES)])
    for path in plugin or []:
        load_plugin(path.resolve())
    registry = REGISTRIES[kind]
    entries = registry.entries()
    if as_json:
        keys = ("name", "origin", "target", "summary")
        print(json.dumps([{key: getattr(entry, key) for key in keys} for entry in entries]))
        return
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        origin = "" if entry.origin == "xltransfer" else f"  (from {entry.origin})"
        print(f"{entry.name:<{width}}  {entry.summary}{origin}".rstrip())
        for line in _options(registry, entry) if verbose else ():
            print(f"{'':<{width}}    {line}")


def _options(registry: Registry, entry: Entry) -> list[str]:
    try:
        options = options_of(registry.load(entry.name)).values()
    except RegistryError as error:
        return [f"cannot be loaded: {error}"]
    lines = []
    for option in options:
        default = "" if option.default is inspect.Parameter.empty else f"={option.default}"
        lines.append(f"{option.name}{default}  {describe(option.type)}  {option.help}".rstrip())
    return lines
