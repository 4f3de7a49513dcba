"""Splits given as line numbers in a `data_index.txt` (the released MetaXL sentiment splits).

A section is a heading `# LANG SPLIT index`, a list of 0-based line or row numbers, and, where a corpus has several
files, a list of their names. Some published entries are `None`: they are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.examples import Example, LabelledText
from xltransfer.data.lines import read_lines
from xltransfer.errors import DataError

NAME = "data_index.txt"
_HEADING = re.compile(r"^#\s*(\w+)\s+(train|dev|test)\s+index")

Prepare = Callable[[Sequence[Example]], list[Example]]


def published_split(folder: Path, split: str, examples: Sequence[Example], prepare: Prepare) -> list[Example] | None:
    """The examples of a split of `folder` by the index beside it, or None where no index names this corpus.

    `examples` are all of the corpus as read; `prepare` drops those without a label, and an entry that points at such
    a one means the next row with the same text (eight entries of the published Persian split do). Raises DataError.
    """
    index = folder.parent / NAME
    if not index.is_file():
        return None
    entries = _entries(index, folder, split)
    if entries is None:
        return None
    labelled = {example.id: example for example in prepare(examples)}
    ids = [example.id for example in examples]
    places = {name: position for position, name in enumerate(ids)}
    chosen = []
    for file, number in entries:
        wanted = f"{file}:{number + _first_line(folder / file)}"
        if wanted not in places:
            raise DataError(f"{index}: {split} entry {number} of {file}: there is no such text.")
        text = _text(examples[places[wanted]])
        same = (name for name in ids[places[wanted] :] if _text(examples[places[name]]) == text)
        found = next((labelled[name] for name in same if name in labelled), None)
        if found is not None:
            chosen.append(found)
    return chosen


def _entries(index: Path, folder: Path, split: str) -> list[tuple[str, int]] | None:
    """File and 0-based number of each entry of the section that is about `folder`'s corpus."""
    files = sorted(file.name for file in folder.iterdir())
    lines = read_lines(index)
    for position, line in enumerate(lines):
        heading = _HEADING.match(line)
        if not heading or heading.group(2) != split:
            continue
        numbers = _list(index, position + 2, lines[position + 1])
        named = position + 2 < len(lines) and lines[position + 2].startswith("[")
        names = _list(index, position + 3, lines[position + 2]) if named else [files[0]] * len(numbers)
        if (named and set(names) <= {*files, None}) or (not named and heading.group(1) == folder.name):
            return [(str(name), number) for name, number in zip(names, numbers, strict=True) if number is not None]
    return None


def _list(index: Path, number: int, line: str) -> list[Any]:
    try:
        values = ast.literal_eval(line)
    except (ValueError, SyntaxError) as error:
        raise DataError(f"{index}:{number}: not a list of numbers or names: {line[:40]!r}.") from error
    return list(values)


def _first_line(file: Path) -> int:
    """Where number 0 stands: the first line of a plain text, the second row of a spreadsheet."""
    return 2 if file.suffix == ".xlsx" else 1


def _text(example: Example) -> str:
    assert isinstance(example, LabelledText)
    return example.text
