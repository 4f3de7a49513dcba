"""`xlt ls`: list registered parts and recipes."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from xltransfer.cli.options import switch
from xltransfer.errors import ConfigError, RegistryError, unknown
from xltransfer.recipes.catalogue import recipes
from xltransfer.registry import BACKENDS, REGISTRIES, RTNS, Entry, Registry, load_plugin
from xltransfer.registry.options import options_of

_KINDS = sorted([*REGISTRIES, "recipes"])


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(_KINDS))] = "",
    verbose: Annotated[bool, switch("-v", "--verbose", help="options too; imports the parts")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Python file that registers parts")] = None,
    as_json: Annotated[bool, switch("--json", help="print one JSON array")] = False,
) -> None:
    """List."""
    if kind == "recipes":
        _print_recipes(verbose, as_json)
        return
    if kind not in REGISTRIES:
        raise ConfigError([unknown("kind", kind, _KINDS)])
    for path in plugin or []:
        load_plugin(path.resolve())
    registry = REGISTRIES[kind]
    entries = registry.entries()
    if as_json:
        keys = ("name", "origin", "target", "summary")
        rows = [{key: getattr(entry, key) for key in keys} for entry in entries]
        print(json.dumps([{**row, "conflict": registry.conflict(row["name"])} for row in rows]))
        return
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        origin = "" if entry.origin == "xltransfer" else f"  (from {entry.origin})"
        print(f"{entry.name:<{width}}  {entry.summary}{origin}".rstrip())
        for line in _details(registry, entry) if verbose else _warnings(registry, entry):
            print(f"{'':<{width}}    {line}")


def _print_recipes(verbose: bool, as_json: bool) -> None:
    found = recipes().values()
    if as_json:
        print(json.dumps([{"name": recipe.name, **recipe.values} for recipe in found]))
        return
    width = max(len(recipe.name) for recipe in found)
    for recipe in found:
        print(f"{recipe.name:<{width}}  {recipe.summary()}")
        for name, value in {**recipe.needs, **recipe.values}.items() if verbose else ():
            print(f"{'':<{width}}    {name}: {value}")


def _warnings(registry: Registry, entry: Entry) -> list[str]:
    conflict = registry.conflict(entry.name)
    return [f"cannot be used: {conflict}"] if conflict else []


def _details(registry: Registry, entry: Entry) -> list[str]:
    try:
        part = registry.load(entry.name)
    except RegistryError as error:
        return [f"cannot be used: {error}"]
    lines = [*_nature(registry, part)]
    for option in options_of(part).values():
        default = "" if option.default is inspect.Parameter.empty else f"={option.default}"
        lines.append(f"{option.name}{default}  {option.allowed}  {option.help}".rstrip())
    return lines


def _nature(registry: Registry, part: Any) -> list[str]:
    """What a backend declares of itself, and how large an RTN is."""
    if registry is BACKENDS:
        found = part.capabilities
        kind = f"approximates: {found.approximation}" if found.approximation else "exact"
        also = [name for name in ("recomputation", "compilation", "inner_updates") if getattr(found, name)]
        return [f"{kind}; attention {' or '.join(found.attention)}; precision {' or '.join(found.precisions)}"
                f"{'; ' + ', '.join(also).replace('_', ' ') if also else ''}"]  # fmt: skip
    if registry is RTNS:
        from xltransfer.rtns.size import describe_at_base_size

        return [f"{describe_at_base_size(part)}; precision {' or '.join(part.precisions)}"]
    return []
