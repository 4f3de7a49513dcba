"""Convert values from the command line or YAML to declared types."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from xltransfer.errors import did_you_mean

LARGEST = 1e30
"""The largest rate: fp32 holds numbers up to 3.4e38, and optimisers divide rates by as little as 1e-3."""


@dataclass(frozen=True)
class Bounds:
    """The lowest and highest number that an option takes, beside its type: `Annotated[int, "help", Bounds(1, 9)]`."""

    lowest: float
    highest: float

    def hold(self, value: Any) -> bool:
        """Whether a value lies within; what is no number, such as None, does."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return not is_number or self.lowest <= value <= self.highest

    def __str__(self) -> str:
        return " to ".join(f"{limit:,}" if isinstance(limit, int) else f"{limit:g}" for limit in self.__dict__.values())


ANY_NUMBER = Bounds(-LARGEST, LARGEST)
"""Of options that state none."""


def convert(raw: Any, kind: Any) -> Any:
    """`raw` (a string from the command line, or a YAML value) as `kind`. Raises ValueError."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if raw in arguments:
            return raw
        raise ValueError(raw)
    if origin in (Union, types.UnionType):
        return _convert_union(raw, arguments)
    if kind is bool:
        return _convert_bool(raw)
    if kind is str:
        if isinstance(raw, str):
            return raw
        raise ValueError(raw)
    if kind in (int, float):
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError(raw)
        try:
            number = float(raw)
        except OverflowError as error:  # an integer of hundreds of digits
            raise ValueError(raw) from error
        if not math.isfinite(number) or (kind is int and (isinstance(raw, float) or not number.is_integer())):
            raise ValueError(raw)
        return int(raw) if kind is int else number
    return raw


def _convert_union(raw: Any, arguments: tuple[Any, ...]) -> Any:
    if type(None) in arguments and (raw is None or raw in ("none", "null")):
        return None
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return convert(raw, argument)
        except ValueError:
            continue
    raise ValueError(raw)


def _convert_bool(raw: Any) -> bool:
    known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(raw, bool):
        return raw
    if str(raw).lower() in known:
        return known[str(raw).lower()]
    raise ValueError(raw)


def describe(kind: Any) -> str:
    """A type in a user's words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "|".join(str(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(argument) for argument in arguments)
    words = {bool: "true|false", int: "a whole number", float: "a number", str: "text", type(None): "none"}
    return words.get(kind, str(kind))


def convert_field(raw: Any, kind: Any) -> Any:
    """As `convert`, for the types of a configuration's fields: also tuples and mappings of options."""
    if get_origin(kind) is tuple:
        items = raw if isinstance(raw, list | tuple) else [raw]
        return tuple(convert(item, kind.__args__[0]) for item in items)
    if get_origin(kind) is dict:
        if not isinstance(raw, Mapping):
            raise ValueError(raw)
        return {str(key): option for key, option in raw.items()}
    return convert(raw, kind)


def shown(value: Any) -> str:
    """A value for a message, which may be of any length."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than some thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:90]}... ({len(text):,} characters)"


def type_fault(name: str, value: Any, kind: Any) -> str:
    """The message for a value of the wrong type."""
    if get_origin(kind) is Literal:
        names = sorted(map(str, kind.__args__))
        hint = did_you_mean(shown(value).strip("'"), names)
        return f"{name}: received {shown(value)}; allowed: {', '.join(names)}.{hint}"
    if get_origin(kind) is tuple:
        return f"{name}: received {shown(value)}; allowed: {describe(kind.__args__[0])}, given once for each."
    wanted = "a mapping of options" if get_origin(kind) is dict else describe(kind)
    return f"{name}: received {shown(value)}; allowed: {wanted}."
