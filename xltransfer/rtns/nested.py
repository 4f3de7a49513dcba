"""RTNs inside an RTN: `--rtn-opt inner=lowrank --rtn-opt inner.rank=4`."""

from __future__ import annotations

from typing import Any

from xltransfer.registry import RTNS
from xltransfer.registry.options import INNER
from xltransfer.rtns.base import RTN, RTNInfo


def build_any(info: RTNInfo, inner: str, options: dict[str, Any]) -> RTN:
    """One RTN of the kind `inner`; `options` are those whose names start with `inner.`."""
    kind: type[RTN] = RTNS.load(inner)
    return kind.build(info, **{name.removeprefix(INNER): value for name, value in options.items()})


def build_inner(info: RTNInfo, inner: str, options: dict[str, Any]) -> RTN:
    """As `build_any`. Raises ValueError for an RTN that itself holds others, at whatever depth."""
    rtn = build_any(info, inner, options)
    if any(isinstance(part, Nested) for part in rtn.modules()):
        raise ValueError(f"inner: received {inner!r}; allowed: an RTN that holds no others, such as mlp or lowrank.")
    return rtn


class Nested(RTN):
    """An RTN made of others of one kind, named by its option `inner`. `build` gets options `inner.X` for them."""
