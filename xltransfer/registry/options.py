"""Read and check the options of a part: the keyword parameters of its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from xltransfer.errors import RegistryError, did_you_mean
from xltransfer.registry.base import Registry
from xltransfer.registry.builtin import DATASETS, FOLDER
from xltransfer.registry.values import ANY_NUMBER, Bounds, convert, describe, shown


@dataclass(frozen=True)
class Option:
    """One keyword parameter of a part's constructor."""

    name: str
    type: Any
    default: Any
    help: str
    bounds: Bounds | None = None

    @property
    def allowed(self) -> str:
        """The values it takes, in a user's words."""
        return describe(self.type) if self.bounds is None else f"{describe(self.type)} ({self.bounds})"

    def convert(self, raw: Any) -> Any:
        """Convert a value to the declared type. Raises ValueError with what is allowed, also outside the bounds."""
        try:
            value = convert(raw, self.type)
        except ValueError as error:
            raise ValueError(self.allowed) from error
        bounds = self.bounds or ANY_NUMBER
        if not bounds.hold(value):
            raise ValueError(f"{describe(self.type)} ({bounds})")
        return value


def options_of(part: type) -> dict[str, Option]:
    """Options of a part: keyword-only parameters of its constructor or `build`, with `Annotated` help."""
    constructor: Any = getattr(part, "build", _constructor(part))
    constructor = getattr(constructor, "__func__", constructor)
    parameters = inspect.signature(constructor).parameters.values()
    if not any(p.kind is p.KEYWORD_ONLY for p in parameters):  # `build(info, **options)` hands them on
        constructor = _constructor(part)
        parameters = inspect.signature(constructor).parameters.values()
    hints = get_type_hints(constructor, include_extras=True)
    found = {}
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY:
            hint = hints.get(parameter.name, _type_of(parameter.default))
            annotated = get_origin(hint) is Annotated
            plain, *notes = get_args(hint) if annotated else (hint,)
            bounds = next((note for note in notes if isinstance(note, Bounds)), None)
            text = " ".join(str(note) for note in notes if not isinstance(note, Bounds))
            found[parameter.name] = Option(parameter.name, plain, parameter.default, text, bounds)
    return found


def _type_of(default: Any) -> type:
    """Of an option without annotation."""
    return type(default) if isinstance(default, bool | int | float | str) else str


def _constructor(part: Any) -> Any:
    return part.__init__


def check_options(part: type, given: Mapping[str, Any], what: str) -> tuple[dict[str, Any], list[str]]:
    """Convert options to their declared types; also returns the faults found.

    `what` names the part in messages, as in "rtn mlp".
    """
    allowed = options_of(part)
    values: dict[str, Any] = {}
    faults = []
    for name, raw in given.items():
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            hint = " Options are keyword-only: write it after * in the constructor." if _positional(part, name) else ""
            faults.append(f"{what}: unknown option {name!r}; allowed: {listed}.{did_you_mean(name, allowed)}{hint}")
            continue
        try:
            values[name] = allowed[name].convert(raw)
        except ValueError as error:
            faults.append(f"{what}: option {name} received {shown(raw)}; allowed: {error}.")
    required = [o.name for o in allowed.values() if o.default is inspect.Parameter.empty and o.name not in given]
    faults += [f"{what}: option {name} is required ({allowed[name].allowed})." for name in required]
    return values, faults


def _positional(part: type, name: str) -> bool:
    parameter = inspect.signature(_constructor(part)).parameters.get(name)
    return parameter is not None and parameter.kind is parameter.POSITIONAL_OR_KEYWORD


INNER = "inner."
"""What starts the names of options meant for the parts inside a part that has an option `inner`."""


def convert_options(registry: Registry, name: str, options: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """Convert options of a registered part, and of the part inside it; appends to `faults`."""
    if registry is DATASETS and name not in registry:  # a folder: the data layer says if it is not there
        values, found = check_options(registry.load(FOLDER), options, f"a folder of files ({name[:80]!r})")
        faults += found
        return values
    part = collect_fault(faults, lambda: registry.load(name))
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
    checked = convert_options(registry, inner, unprefixed, faults)
    return {**values, **{INNER + key: value for key, value in checked.items()}}


def collect_fault(faults: list[str], action: Callable[[], Any]) -> Any:
    """Call `action`; on RegistryError append its message to `faults` and return None."""
    try:
        return action()
    except RegistryError as error:
        faults.append(str(error))
        return None
