"""Rebuild splits from line numbers in a `data_index.txt`, as in the released MetaXL sentiment splits.

A section has a heading `# LANG SPLIT index`, a list of 0-based line or row numbers, and, for a corpus of several files,
a list of their names. Some published entries are `None`; they are skipped and counted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.data.examples import Example, LabelledText
from xltransfer.data.readers.lines import read_lines
from xltransfer.datasets.base import SPLITS
from xltransfer.errors import DataError

NAME = "data_index.txt"
_HEADING = re.compile(rf"^#\s*(\w+)\s+({'|'.join(SPLITS)})\s+index")

Prepare = Callable[[Sequence[Example]], list[Example]]


@dataclass(frozen=True)
class Section:
    """One split of one corpus. Entries are a file, None for a corpus of one file, and a 0-based number; or None."""

    language: str
    split: str
    entries: tuple[tuple[str | None, int] | None, ...]

    @property
    def files(self) -> set[str]:
        """The files that the section names, if any."""
        return {entry[0] for entry in self.entries if entry and entry[0]}

    def covers(self, files: Iterable[str], language: str) -> bool:
        """Whether the section names only these files, or no files and this language."""
        return self.files <= set(files) if self.files else self.language == language


@dataclass(frozen=True)
class RebuiltSplit:
    """The examples of a section, and the entries that were `None`, unlabelled or moved to another row."""

    section: Section
    examples: tuple[LabelledText, ...]
    none: int
    unlabelled: int
    moved: tuple[str, ...]
    """Ids of unlabelled rows that were replaced by a later row with the same text."""


def published_split(folder: Path, split: str, examples: Sequence[Example], prepare: Prepare) -> list[Example] | None:
    """Return the examples of a split of `folder` by the index beside it, or None if no index covers this corpus.

    `examples` are all examples of the corpus; for `prepare` see `rebuild`. Raises DataError.
    """
    index = folder.parent / NAME
    if not index.is_file():
        return None
    files = [file.name for file in folder.iterdir()]
    for section in read_index(index):
        if section.split == split and section.covers(files, folder.name):
            return list(rebuild(index, section, examples, prepare).examples)
    return None


def read_index(index: Path) -> list[Section]:
    """Read all sections of an index. Raises DataError with the line number of an invalid section."""
    lines = [*read_lines(index), "", ""]
    sections = []
    for number, line in enumerate(lines[:-2], 1):
        if not (heading := _HEADING.match(line)):
            continue
        numbers = _parse_list(index, number + 1, lines[number], int)
        named = lines[number + 1].startswith("[")
        names = _parse_list(index, number + 2, lines[number + 1], str) if named else [None] * len(numbers)
        if len(names) != len(numbers):
            raise DataError(f"{index}:{number + 2}: {len(names)} names for {len(numbers)} numbers; give one for each.")
        pairs = zip(names, numbers, strict=True)
        entries = tuple(None if entry is None else (name, entry) for name, entry in pairs)
        sections.append(Section(heading.group(1), heading.group(2), entries))
    return sections


def rebuild(index: Path, section: Section, examples: Sequence[Example], prepare: Prepare) -> RebuiltSplit:
    """Return the examples that a section lists, in its order, with repetitions.

    `prepare` drops examples without a label. An entry of such an example stands for the next row with the same text
    (eight entries of the published Persian split do). Raises DataError.
    """
    texts = [_labelled(example) for example in examples]
    labelled = {example.id: _labelled(example) for example in prepare(examples)}
    places = {text.id: place for place, text in enumerate(texts)}
    files = {text.id.rpartition(":")[0] for text in texts}
    chosen, moved = [], []
    entries = [entry for entry in section.entries if entry]
    for named_file, number in entries:
        file = named_file or min(files)
        wanted = f"{file}:{number + _first_line(file)}"
        if wanted not in places:
            raise DataError(f"{index}: {section.split} entry {number} of {file}: there is no such text.")
        named = texts[places[wanted]]
        same = (text.id for text in texts[places[wanted] :] if text.text == named.text)
        found = next((labelled[name] for name in same if name in labelled), None)
        if found is not None:
            chosen.append(found)
            moved += [] if found.id == wanted else [wanted]
    none = len(section.entries) - len(entries)
    return RebuiltSplit(section, tuple(chosen), none, len(entries) - len(chosen), tuple(moved))


def _parse_list(index: Path, number: int, line: str, kind: type[int] | type[str]) -> list[Any]:
    """Parse a Python list of values of one type and None. Raises DataError."""
    try:
        values = ast.literal_eval(line)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list) or any(value is not None and type(value) is not kind for value in values):
        what = "numbers" if kind is int else "names"
        raise DataError(f"{index}:{number}: not a list of {what}: {line[:40]!r}; allowed: [..., None, ...].")
    return values


def _first_line(file: str) -> int:
    """Return the line of number 0: the first line of a text file, the second row of a spreadsheet."""
    return 2 if file.endswith(".xlsx") else 1


def _labelled(example: Example) -> LabelledText:
    assert isinstance(example, LabelledText)
    return example
