"""What a reader understood of a file, for the user to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xltransfer.data.examples import Example
from xltransfer.data.schemes import Scheme

Row = tuple[str, Any, Any, Any]
"""Place in the file, text, second text or None, raw label."""


@dataclass(frozen=True)
class Content:
    """The rows of a file of labelled texts, and how they were found."""

    format: str
    rows: Sequence[Row]
    label_name: str = ""
    """Of the labels' column or field, if it has a name."""
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """The examples of a file and how it was read."""

    examples: Sequence[Example]
    format: str
    """As in `4 columns separated by blanks`."""
    columns: tuple[str, ...] = ()
    """The role of each column, `_` for one that is not read."""
    scheme: Scheme | None = None
    """The tags' scheme; None if they are read as they stand."""
    changed: int = 0
    """Tags changed on conversion to BIO."""
    notes: tuple[str, ...] = ()
    """A sentence for each choice that could have been otherwise."""
