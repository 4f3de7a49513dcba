"""The registry: parts by name, from built-ins, decorators, entry points and `module:Class` paths.

Listing imports nothing; a part is imported when it is chosen.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from xltransfer.errors import RegistryError, unknown

PartT = TypeVar("PartT", bound=type)
PLUGIN_PREFIX = "xltransfer_plugin_"


@dataclass(frozen=True)
class Entry:
    """A registered name: its class (`module:Class`), its origin, and a summary."""

    name: str
    target: str
    origin: str
    summary: str = ""


class Registry:
    """The parts of one kind by name.

    `builtin` maps a name to (`module:Class`, summary); entry points of `group` and decorated classes join them.
    `contract` is the `module:Class` that every part derives from.
    """

    def __init__(self, kind: str, builtin: dict[str, tuple[str, str]], contract: str | None = None) -> None:
        self.kind = kind
        self._contract = contract
        self.group = f"xltransfer.{kind}s"
        self._entries = {
            name: Entry(name, target, "xltransfer", summary) for name, (target, summary) in builtin.items()
        }
        self._classes: dict[str, type] = {}
        self._conflicts: dict[str, str] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[PartT], PartT]:
        """Register a class under a name (a decorator). Raises RegistryError if another class has the name."""

        def decorate(part: PartT) -> PartT:
            target = f"{part.__module__}:{part.__qualname__}"
            self._add(Entry(name, target, _origin(part), _first_line(part)))
            self._classes[name] = part
            return part

        return decorate

    def entries(self) -> list[Entry]:
        """List all known parts by name, without importing them."""
        self._scan()
        return [self._entries[name] for name in sorted(self._entries)]

    def conflict(self, name: str) -> str | None:
        """The error message of a name that two packages register, or None."""
        self._scan()
        return self._conflicts.get(name)

    def names(self) -> list[str]:
        """List the names of all known parts."""
        return [entry.name for entry in self.entries()]

    def __contains__(self, spec: str) -> bool:
        return ":" in spec or spec in self.names()

    def load(self, spec: str) -> type[Any]:
        """Import the class of a registered name or a `package.module:Class` path. Raises RegistryError."""
        part = self._find(spec)
        if self._contract is not None:
            base = _import_target(self._contract, self.kind)
            if not issubclass(part, base):
                raise RegistryError(
                    f"{self.kind} {spec!r}: {part.__name__} does not derive from {base.__name__}; a class that does is "
                    f"needed (from xltransfer import {base.__name__})."
                )
        return part

    def _find(self, spec: str) -> type[Any]:
        if ":" in spec:
            return _import_target(spec, f"{self.kind} {spec!r}")
        self._scan()
        if spec in self._conflicts:
            raise RegistryError(self._conflicts[spec])
        if spec in self._classes:
            return self._classes[spec]
        if spec not in self._entries:
            raise RegistryError(f"{unknown(self.kind, spec, self._entries)} One in a file of your own: --plugin FILE.")
        entry = self._entries[spec]
        return _import_target(entry.target, f"{self.kind} {spec!r} of {entry.origin}")

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in metadata.entry_points(group=self.group):
            owner, summary = ("an entry point", "")
            if point.dist:
                owner, summary = point.dist.name, str(point.dist.metadata.json.get("summary", ""))
            try:
                self._add(Entry(point.name, point.value, owner, summary), packaged=True)
            except RegistryError as error:  # refused when it is chosen; other names are not disturbed
                self._conflicts[point.name] = str(error)

    def _add(self, entry: Entry, packaged: bool = False) -> None:
        """`packaged`: the origin is the name of a package, which is more informative than a module."""
        known = self._entries.get(entry.name)
        if known and not _same_class(known.target, entry.target):
            raise RegistryError(
                f"{self.kind} {entry.name!r} is registered twice: by {known.origin} ({known.target}) and by "
                f"{entry.origin} ({entry.target}). Rename or uninstall one of them."
            )
        if known and packaged:
            self._entries[entry.name] = replace(known, origin=entry.origin)
        self._entries.setdefault(entry.name, entry)


def _same_class(one: str, other: str) -> bool:
    """Whether two targets may be one class: of that name, in one package (it may be exported from a module above)."""
    (module, _, name), (other_module, _, other_name) = one.partition(":"), other.partition(":")
    return name == other_name and _package(module) == _package(other_module)


def _package(module: str) -> str:
    """The top-level name; of a plugin file the file's, so that a file and the package made of it are one part."""
    if module.startswith(PLUGIN_PREFIX):
        return module.removeprefix(PLUGIN_PREFIX).rpartition("_")[0]
    return module.split(".")[0]


def _origin(part: type) -> str:
    """The module of a class, or the file if it is a plugin file."""
    if part.__module__.startswith(PLUGIN_PREFIX):
        return str(Path(str(sys.modules[part.__module__].__file__)).name)
    return part.__module__


def _first_line(part: type) -> str:
    return (part.__doc__ or "").strip().split("\n")[0]


def _import_target(target: str, what: str) -> type[Any]:
    module_name, _, attribute = target.partition(":")
    try:
        part: Any = importlib.import_module(module_name)
        for step in attribute.split("."):
            part = getattr(part, step)
    except Exception as error:  # a plugin may raise anything at import
        raise RegistryError(
            f"{what} cannot be imported from {target!r}: {type(error).__name__}: {error}. "
            "Check the spelling, install the package that holds it, or give a file of your own with --plugin FILE."
        ) from error
    if not isinstance(part, type):
        raise RegistryError(f"{what}: {target!r} is a {type(part).__name__}; a class is needed.")
    return part
