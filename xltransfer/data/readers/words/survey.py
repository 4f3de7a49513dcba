"""Read a file of tagged words once, for the statistics of its columns, its header and its comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xltransfer.data.readers.words.columns import Column, is_tag
from xltransfer.data.readers.words.roles import is_header, role_named
from xltransfer.data.readers.words.rows import Dialect, Row, may_be_comment, rows

_LANGUAGE_PREFIX = re.compile(r"^([a-z]{2,3}(?:-[A-Za-z]+)?):(?=.)")
_BLANKS = " \t"
_NAME = re.compile(r"[^\W\d][\w .#()-]*")
_TAGS = ("tag", "pos", "xpos", "chunk")
_FEW = 3
"""Rows from which on a first one can differ from the others."""
_MANY = 30
"""Rows from which on a class that comes once is rare."""


@dataclass
class Survey:
    """What all rows of a file hold."""

    columns: list[Column]
    first: Row = (0, [])
    """The first row that is not empty."""
    repeats: int = 0
    """How often it stands there."""
    names: list[str] = field(default_factory=list)
    """Names of the columns, if the first row holds some that are known."""
    skipped: frozenset[int] = frozenset()
    """Lines of a header and of comments."""
    header: bool = False
    prefix: str = ""
    """The language before all words."""
    groups: int = 0
    """Parts between empty lines."""
    double_spaced: bool = False
    """Whether one stands after each row."""
    notes: tuple[str, ...] = ()


def survey(path: Path, dialect: Dialect) -> Survey:
    """Read a file. Raises DataError for rows of another width."""
    found = _read(path, dialect, frozenset())
    line, fields = found.first
    if not fields or found.header or line in found.skipped:
        return found
    if not _names_columns(fields, found.columns, found.repeats):
        if _may_name_columns(fields, found.columns):
            said = (
                f"the first line, {', '.join(fields)[:60]!r}, is read as a word; if it names the columns, take it out"
            )
            found.notes = (*found.notes, said)
        return found
    again = _read(path, dialect, frozenset([line]), fields)
    again.header = True
    again.notes = (f"the first line, {', '.join(fields)[:60]!r}, is read as names of columns", *again.notes)
    return again


def _read(path: Path, dialect: Dialect, skipped: frozenset[int], header: Sequence[str] = ()) -> Survey:
    found = Survey([Column() for _ in range(dialect.width)])
    prefixes: set[str] = set()
    comments: list[Row] = []
    again: set[int] = set()
    taken = groups = 0
    between = True
    for number, fields in rows(path, dialect):
        if number in skipped or not fields:
            between = True
            continue
        if fields == header:
            again.add(number)
            continue
        found.first = found.first if found.first[1] else (number, fields)
        found.repeats += fields == found.first[1]
        if not taken and not found.header and is_header(fields):
            found.header, found.names, header = True, fields, fields
            skipped |= {number}
            continue
        if between and may_be_comment(fields):
            comments.append((number, fields))
            continue
        after_blank = between
        taken, groups, between = taken + 1, groups + between, False
        if len(prefixes) < 2:
            match = _LANGUAGE_PREFIX.match(fields[0])
            prefixes.add(match[0] if match else "")
        for column, value in zip(found.columns, fields, strict=True):
            column.add(value.strip(_BLANKS), after_blank)
    for _, fields in comments if not taken else ():
        for column, value in zip(found.columns, fields, strict=True):
            column.add(value.strip(_BLANKS))
    found.groups = groups
    found.double_spaced = groups == taken >= _FEW
    found.prefix = prefixes.pop() if len(prefixes) == 1 else ""
    found.skipped = skipped | again | frozenset(_left_out(comments, found.columns))
    if left_out := len(found.skipped & {number for number, _ in comments}):
        found.notes = (f"lines that begin with # and are read as comments: {left_out}",)
    if again:
        found.notes = (*found.notes, f"lines with the names of the columns again, left out: {len(again)}")
    return found


def _left_out(comments: Sequence[Row], columns: Sequence[Column]) -> Iterator[int]:
    """Lines of rows that begin with # and have, where the fewest values are, one no other row has and no tag is."""
    varied = [number for number, column in enumerate(columns) if number and len(column.values) > 1]
    if not varied:
        return
    classes = min(varied, key=lambda number: columns[number].variety)
    for line, fields in comments:
        value = fields[classes].strip(_BLANKS)
        if value not in columns[classes].values and not is_tag(value):
            yield line


def _names_columns(first: Sequence[str], columns: Sequence[Column], times: int) -> bool:
    """Whether a first row of unknown names holds names nevertheless: words of no other row, one of another kind."""
    cells = [cell.strip(_BLANKS) for cell in first]
    names = [cell for cell in cells if cell]
    if columns[0].rows <= _FEW or len({name.lower() for name in names}) < len(names):
        return False
    pairs = [(cell, column) for cell, column in zip(cells, columns, strict=True) if cell]
    once = all(_NAME.fullmatch(cell) and (column.values[cell] == times or role_named(cell)) for cell, column in pairs)
    return once and any(
        column.is_of_another_kind(cell) or (role_named(cell) in _TAGS and column.few_without(cell))
        for cell, column in pairs if column.values[cell] == times
    )  # fmt: skip


def _may_name_columns(first: Sequence[str], columns: Sequence[Column]) -> bool:
    """Whether a first row has, in each column of a few classes, one that no other row has and that is no known tag."""
    cells = [cell.strip(_BLANKS) for cell in first]
    few = [(cell, column) for cell, column in zip(cells, columns, strict=True) if column.few_without(cell)]
    once = all(_NAME.fullmatch(cell) and column.values[cell] == 1 for cell, column in zip(cells, columns, strict=True))
    return once and bool(few) and not any(is_tag(cell) for cell, _ in few) and columns[0].rows >= _MANY
