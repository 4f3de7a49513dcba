"""Where the sentences of a file of columns end, beside its empty lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xltransfer.data.readers.words.columns import LAST, Column, is_other_id, is_word_id

_WORDS = 4
"""Words of a sentence, on average, from which a number that changes within empty lines may be that of a sentence."""
_YES = frozenset(["1", "true", "yes"])


Together = Callable[[int, int], bool]
"""Something that holds of two columns, in all rows of a file."""


@dataclass(frozen=True)
class Ends:
    """Columns' numbers, from 0."""

    index: int | None = None
    """The place of a word in its sentence."""
    begins_again: bool = True
    """Whether an index that does not grow begins a sentence, as empty lines do."""
    sentence: tuple[int, ...] = ()
    """Columns of which a change ends a sentence: its number, and its document's."""
    start: int | None = None
    """The column that says yes where a sentence begins."""
    end: int | None = None
    """The column in which the last word of a sentence is marked (HIPE-2022)."""
    note: str = ""

    @property
    def beside_blank_lines(self) -> bool:
        """Whether some column says where sentences end."""
        return bool(self.sentence) or self.start is not None or (self.index is not None and self.begins_again)


class Boundary:
    """Says of row after row whether it begins a sentence."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._numbers = [""] * len(ends.sentence)
        self._last = -1
        self._ended = False

    def begins(self, fields: Sequence[str]) -> bool:
        """Whether a row begins a sentence. Raises ValueError for an id that is none."""
        ends, begins = self._ends, self._ended
        self._ended = ends.end is not None and LAST in fields[ends.end]
        for place, column in enumerate(ends.sentence):
            begins = begins or fields[column] not in ("", self._numbers[place])
            self._numbers[place] = fields[column] or self._numbers[place]
        if ends.start is not None:
            begins = begins or says_yes(fields[ends.start])
        if ends.index is not None:
            if is_word_id(fields[ends.index]):
                begins = begins or (ends.begins_again and int(fields[ends.index]) <= self._last)
                self._last = int(fields[ends.index])
            elif not is_other_id(fields[ends.index]):
                raise ValueError(fields[ends.index])
        return begins


def says_yes(value: str) -> bool:
    """Whether a value of a column of yes and no is yes."""
    return value.strip().lower() in _YES


def find_ends(columns: Sequence[Column], roles: Sequence[str], groups: int, anew: Together, changes: Together) -> Ends:
    """Find the columns that say where sentences end.

    Args:
        columns: What each column holds.
        roles: Its role as far as it is known.
        groups: Parts between empty lines that end sentences.
        anew: Whether the numbers of column b begin anew where column a changes, and only there, of (a, b).
        changes: Whether column b changes, or has its first value, wherever the index in column a begins anew.
    """

    def having(*names: str) -> list[int]:
        return [number for number, role in enumerate(roles) if role in names]

    again = [number for number in having("index") if _begins_sentences(columns[number], groups)]
    index, start = next(iter(again or having("index")), None), next(iter(having("start")), None)
    free = having("", "_", "class", "document")
    units = [number for number in free if columns[number].stays_a_while]
    if named := having("sentence"):
        counted = [number for number in named if columns[number].counts_sentences]
        if alone := [number for number in named if len(columns[number].values) == 1]:  # of one sentence each
            counted, units = alone, [number for number in units if columns[number].numbers_sentences]
        others = [number for number in units if any(anew(number, one) for one in counted)]
        sentence = tuple(dict.fromkeys((*having("document"), *others, *named)))
    elif start is not None:
        sentence = ()
    else:
        units = [number for number in units if columns[number].numbers_sentences or roles[number] == "document"]
        if again:
            groups = columns[again[0]].falls + 1
            free = [number for number in free if changes(again[0], number)]
        sentence = _by_content(columns, free, units, groups, anew, bool(again))
    parts = {number: columns[number].falls + 1 for number in again} | {n: columns[n].runs for n in sentence}
    finer = [number for number, count in parts.items() if 1 < groups < count]
    than = "where the index begins again" if again and sentence else "at empty lines"
    note = f"sentences end where column {finer[0] + 1} says, oftener than {than}" if finer else ""
    end = next((number for number, column in enumerate(columns) if column.marks_ends), None)
    return Ends(index, bool(again), sentence, start, end, note)


def _by_content(
    columns: Sequence[Column], free: Sequence[int], units: Sequence[int], groups: int, anew: Together, index: bool
) -> tuple[int, ...]:
    """The number of the sentence, which changes most, and those of documents; none if other ends are as many."""
    found = [
        number for number in free
        if (number in units or columns[number].numbers_sentences
            or (columns[number].counts_sentences and any(anew(one, number) for one in units)))
        and (groups == 1 or _is_finer(columns[number], groups, index))
    ]  # fmt: skip
    if not found:
        return ()
    most = max(found, key=lambda number: columns[number].runs)
    return most, *(number for number in units if number != most)


def _begins_sentences(index: Column, groups: int) -> bool:
    """Whether an index that begins again says where sentences end; if empty lines do, it must do so oftener."""
    return index.begins_again and (groups == 1 or (index.falls + 1 > groups and not index.goes_on))


def _is_finer(column: Column, groups: int, index: bool) -> bool:
    """Whether a number of sentences changes at each empty line, and oftener, but for sentences of some words."""
    return column.runs > groups and (index or not column.goes_on) and _WORDS * column.runs <= column.rows
