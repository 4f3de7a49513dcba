"""Read files of tagged words in several column formats, detected from the content.

XTREME (`en:token<TAB>tag`), `token<TAB>tag`, `token tag`, `id<TAB>token<TAB>tag`, CoNLL-style columns (token first,
tag last) and CoNLL-U (form and UPOS). Sentences are separated by blank lines.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.lines import empty_file_error, numbered_lines, report_memory_error
from xltransfer.errors import DataError

TagCheck = Callable[[str], str | None]
_SAMPLE_LINES = 200
_LANGUAGE_PREFIX = re.compile(r"^([a-z]{2,3}(?:-[A-Za-z]+)?):(?=.)")
_NOT_A_WORD = re.compile(r"[0-9]+-[0-9]+|[0-9]+\.[0-9]+")
"""Ids in CoNLL-U of multi-word tokens (5-6, whose words follow) and of empty nodes (8.1, which are not words)."""
_BLANKS = " \t"
_GAP = re.compile(f"[{_BLANKS}]+")
"""Separates columns. Other spaces, such as U+00A0 or U+3000, may be tokens or parts of a token."""


@dataclass(frozen=True)
class ColumnFormat:
    """The columns of a file. `token` and `tag` are column indices; `separator` None is any number of blanks."""

    name: str
    separator: str | None
    columns: int
    token: int
    tag: int
    conllu: bool = False
    prefix: str = ""


def read_tagged(path: Path, check_tag: TagCheck = lambda tag: None) -> list[TaggedSentence]:
    """Read all sentences of a file, in order.

    `check_tag` returns an error message for an invalid tag, or None. Raises DataError with file and line number.
    """
    with report_memory_error(path):
        return list(tagged_sentences(path, check_tag))


def tagged_sentences(path: Path, check_tag: TagCheck = lambda tag: None) -> Iterator[TaggedSentence]:
    """Yield the sentences of a file; only the current one is in memory. See `read_tagged`."""
    layout = _detect_format(path)
    words: list[str] = []
    tags: list[str] = []
    start, found = 0, False
    allowed: set[str] = set()
    for number, line in chain(numbered_lines(path), [(0, "")]):
        if _is_comment(line, layout):
            continue
        if line.strip(_BLANKS):
            if (parsed := _parse_line(path, number, line, layout)) is None:
                continue
            token, tag = parsed
            if tag not in allowed:
                if problem := check_tag(tag):
                    raise DataError(f"{path}:{number}: {problem}")
                allowed.add(tag)
            start = start or number
            words.append(token)
            tags.append(sys.intern(tag))
        elif words:
            yield TaggedSentence(f"{path.name}:{start}", tuple(words), tuple(tags))
            words, tags, start, found = [], [], 0, True
    if not found:
        raise DataError(f"{path}: no sentence in the file; expected lines of a token and a tag.")


def _is_comment(line: str, layout: ColumnFormat) -> bool:
    return (layout.conllu and line.startswith("#")) or line.startswith("-DOCSTART-")


def _parse_line(path: Path, number: int, line: str, layout: ColumnFormat) -> tuple[str, str] | None:
    """Return token and tag, or None for a line of CoNLL-U that is not a word."""
    fields = _fields(line, layout.separator)
    if len(fields) != layout.columns:
        raise DataError(
            f"{path}:{number}: {len(fields)} columns, where this file's format ({layout.name}) has {layout.columns}: "
            f"{_shown(line)}."
        )
    if layout.conllu and not _is_number(fields[0]):
        if _NOT_A_WORD.fullmatch(fields[0]):
            return None
        raise DataError(f"{path}:{number}: id {fields[0][:60]!r} is not a CoNLL-U id; allowed: 7, 7-8, 7.1.")
    token = fields[layout.token].strip(_BLANKS).removeprefix(layout.prefix)
    tag = fields[layout.tag].strip()
    if not token or not tag:
        raise DataError(f"{path}:{number}: the {'tag' if token else 'token'} is empty: {_shown(line)}.")
    if "\r" in token + tag:
        raise DataError(f"{path}:{number}: a carriage return within the line: {_shown(line)}; end lines with LF.")
    return token, tag


def _fields(line: str, separator: str | None) -> list[str]:
    return line.split(separator) if separator else _GAP.split(line.strip(_BLANKS))


def _is_number(field: str) -> bool:
    return field.isascii() and field.isdigit()


def _shown(line: str) -> str:
    return repr(line.strip()[:60])


def _detect_format(path: Path) -> ColumnFormat:
    """Detect the column format from the first lines with content. Raises DataError."""
    sample = list(islice(_content(line for _, line in numbered_lines(path)), _SAMPLE_LINES))
    if not sample:
        raise empty_file_error(path)
    tabbed = [line.split("\t") for line in sample if "\t" in line]
    separator = "\t" if 2 * len(tabbed) >= len(sample) else None
    rows = tabbed if separator else [_fields(line, None) for line in sample]
    columns = Counter(len(fields) for fields in rows).most_common(1)[0][0]
    usual = [fields for fields in rows if len(fields) == columns]
    if columns < 2:
        raise DataError(f"{path}: not a file of tagged words: its lines have one column; expected a token and a tag.")
    if separator and columns == 10:
        return ColumnFormat("CoNLL-U", separator, 10, token=1, tag=3, conllu=True)
    if separator and columns == 3 and all(_is_number(fields[0]) for fields in usual):
        return ColumnFormat("id<TAB>token<TAB>tag", separator, 3, token=1, tag=2)
    prefix = _common_prefix([fields[0] for fields in usual])
    name = "XTREME" if prefix else f"{columns} {'tab' if separator else 'space'}-separated columns"
    return ColumnFormat(name, separator, columns, token=0, tag=columns - 1, prefix=prefix)


def _content(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.strip(_BLANKS) and not re.match(r"# ?\w+ ?=|-DOCSTART-", line))


def _common_prefix(tokens: list[str]) -> str:
    found = {match.group(0) if (match := _LANGUAGE_PREFIX.match(token)) else "" for token in tokens}
    return found.pop() if len(found) == 1 else ""
