"""Options of registered parts, checked against what their constructors declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xltransfer.errors import RegistryError
from xltransfer.options import check_options, options_of
from xltransfer.registry import DATASETS, Registry

INNER = "inner."
"""What starts the names of options meant for the parts inside a part that has an option `inner`."""


def checked_options(registry: Registry, name: str, options: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """Options of a registered part in their declared types, those of a part inside it too; `faults` grows."""
    if registry is DATASETS and name not in registry:  # a folder: the data layer says if it is not there
        if options:
            faults.append(f"data_options: received {options}; a folder of files takes none.")
        return options
    part = collected(faults, lambda: registry.load(name))
    if part is None:
        return options
    nested = {key: value for key, value in options.items() if key.startswith(INNER) and "inner" in options_of(part)}
    own = {key: value for key, value in options.items() if key not in nested}
    values, found = check_options(part, own, f"{registry.kind} {name}")
    faults += found
    if "inner" not in options_of(part):
        return values
    inner = values.get("inner", options_of(part)["inner"].default)
    unprefixed = {key.removeprefix(INNER): value for key, value in nested.items()}
    checked = checked_options(registry, inner, unprefixed, faults)
    return {**values, **{INNER + key: value for key, value in checked.items()}}


def collected(faults: list[str], action: Callable[[], Any]) -> Any:
    """What `action` returns; None, and its message among `faults`, if it raises RegistryError."""
    try:
        return action()
    except RegistryError as error:
        faults.append(str(error))
        return None
