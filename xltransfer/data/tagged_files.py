"""Readers for files of tagged words; the format is found from the content.

XTREME (`en:token<TAB>tag`), `token<TAB>tag`, `token tag`, `id<TAB>token<TAB>tag`, CoNLL-style columns (token first,
tag last) and CoNLL-U (form and UPOS). Sentences are separated by blank lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xltransfer.data.examples import TaggedSentence
from xltransfer.errors import DataError

TagCheck = Callable[[str], str | None]
_SNIFFED_LINES = 200
_LANGUAGE_PREFIX = re.compile(r"^([a-z]{2,3}(?:-[A-Za-z]+)?):(?=.)")


@dataclass(frozen=True)
class ColumnFormat:
    """How one line holds a token and its tag."""

    name: str
    separator: str | None
    columns: int
    token: int
    tag: int
    comments: bool = False
    prefix: str = ""


def read_tagged(path: Path, check_tag: TagCheck = lambda tag: None) -> list[TaggedSentence]:
    """All sentences of a file, in order.

    `check_tag` returns what is wrong with a tag, or None. Raises DataError with file and line number.
    """
    lines = read_lines(path)
    layout = _sniff(path, lines)
    sentences, words, tags, start = [], [], [], 0
    for number, line in enumerate([*lines, ""], 1):
        if _is_comment(line, layout):
            continue
        if line.strip():
            token, tag = _parse_line(path, number, line, layout)
            if not token:
                continue
            if problem := check_tag(tag):
                raise DataError(f"{path}:{number}: {problem}")
            start = start or number
            words.append(token)
            tags.append(tag)
        elif words:
            sentences.append(TaggedSentence(f"{path.name}:{start}", tuple(words), tuple(tags)))
            words, tags, start = [], [], 0
    if not sentences:
        raise DataError(f"{path}: no sentence in the file; expected lines of a token and a tag.")
    return sentences


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without their ends (only newline ends a line). Raises DataError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8 ({error.reason}); convert the file to UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty.")
    return text.split("\n")


def _is_comment(line: str, layout: ColumnFormat) -> bool:
    return (layout.comments and line.startswith("#")) or line.startswith("-DOCSTART-")


def _parse_line(path: Path, number: int, line: str, layout: ColumnFormat) -> tuple[str, str]:
    fields = line.rstrip("\r").split(layout.separator)
    if len(fields) != layout.columns:
        raise DataError(
            f"{path}:{number}: {len(fields)} columns, where this file's format ({layout.name}) has {layout.columns}: "
            f"{line.strip()[:60]!r}."
        )
    if layout.comments and not fields[0].isdigit():  # multi-word token 5-6, empty node 8.1
        return "", ""
    token = fields[layout.token].strip().removeprefix(layout.prefix)
    tag = fields[layout.tag].strip()
    if not token or not tag:
        raise DataError(f"{path}:{number}: the {'token' if not token else 'tag'} is empty: {line.strip()[:60]!r}.")
    return token, tag


def _sniff(path: Path, lines: list[str]) -> ColumnFormat:
    sample = [line.rstrip("\r") for line in _content(lines)][:_SNIFFED_LINES]
    tabbed = [line.split("\t") for line in sample if "\t" in line]
    if 2 * len(tabbed) < len(sample):
        return _spaced(path, sample)
    columns = Counter(len(fields) for fields in tabbed).most_common(1)[0][0]
    usual = [fields for fields in tabbed if len(fields) == columns]
    if columns == 10:
        return ColumnFormat("CoNLL-U", "\t", 10, token=1, tag=3, comments=True)
    if columns == 3 and all(fields[0].isdigit() for fields in usual):
        return ColumnFormat("id<TAB>token<TAB>tag", "\t", 3, token=1, tag=2)
    prefix = _common_prefix([fields[0] for fields in usual])
    name = "XTREME" if prefix else f"{columns} tab-separated columns"
    return ColumnFormat(name, "\t", columns, token=0, tag=columns - 1, prefix=prefix)


def _spaced(path: Path, sample: list[str]) -> ColumnFormat:
    columns = Counter(len(line.split()) for line in sample).most_common(1)[0][0]
    if columns < 2:
        raise DataError(f"{path}: not a file of tagged words: its lines have one column; expected a token and a tag.")
    return ColumnFormat(f"{columns} space-separated columns", None, columns, token=0, tag=columns - 1)


def _content(lines: list[str]) -> Iterator[str]:
    return (line for line in lines if line.strip() and not re.match(r"# ?\w+ ?=|-DOCSTART-", line))


def _common_prefix(tokens: list[str]) -> str:
    found = {match.group(0) if (match := _LANGUAGE_PREFIX.match(token)) else "" for token in tokens}
    return found.pop() if len(found) == 1 else ""
