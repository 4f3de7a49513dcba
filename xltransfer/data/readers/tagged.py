"""Read files of tagged words in columns: the roles of columns and the scheme of the tags are found from the content.

Sentences are separated by blank lines, by a column with the sentence's number, or by an index that begins again.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.columns import Column, is_other_id, is_word_id
from xltransfer.data.readers.entities import TagCheck, bio_or_checked
from xltransfer.data.readers.lines import report_memory_error
from xltransfer.data.readers.roles import Finder, Roles, Wanted, is_header, told_roles
from xltransfer.data.readers.rows import Dialect, Row, column_names, dialects, line_end_error, rows, shown
from xltransfer.data.readers.understood import Reading
from xltransfer.data.schemes import looks_like_tag
from xltransfer.errors import DataError

_LANGUAGE_PREFIX = re.compile(r"^([a-z]{2,3}(?:-[A-Za-z]+)?):(?=.)")
_BLANKS = " \t"
_CONLLU = 10
_LONG, _LONGEST = 200, 10_000
"""Words of a file's only sentence from which that is said, and up to which it is read."""


@dataclass(frozen=True)
class Layout:
    """How a file's lines are read."""

    dialect: Dialect
    roles: Roles
    header: bool = False
    prefix: str = ""
    """The language before each word in XTREME's files, as in `en:`."""
    conllu: bool = False

    @property
    def format(self) -> str:
        """The format, for the user."""
        name = "CoNLL-U" if self.conllu else "XTREME" if self.prefix else self.dialect.name
        return name + (" with a header" if self.header else "")


@dataclass
class _Words:
    """A sentence as the file has it, with the line of each word."""

    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("q"))


def understand_tagged(
    path: Path, check_tag: TagCheck = lambda tag: None, *, wanted: Wanted = None, columns: Sequence[str] = (),
    scheme: str | None = None,
) -> Reading:  # fmt: skip
    """Read all sentences of a file, in order.

    Args:
        path: The file.
        check_tag: Returns an error message for an invalid tag, or None.
        wanted: Tags of entities (converted to BIO), of words, or whichever the file has, as they stand.
        columns: Names of the columns, if they are not to be found from the content.
        scheme: Name of the tags' scheme, likewise.

    Raises:
        DataError: With file and line number.
    """
    with report_memory_error(path):
        layout = find_layout(path, wanted, columns)
        sentences = list(_sentences(path, layout))
        if not sentences:
            raise DataError(f"{path}: no sentence in the file; expected lines of a token and a tag.")
        notes = [*layout.roles.notes, *_one_sentence(path, sentences)]
        tags, found, changed = bio_or_checked(
            [one.tags for one in sentences], lambda one, place: f"{path}:{sentences[one].lines[place]}", check_tag,
            wanted, scheme,
        )  # fmt: skip
        examples = [
            TaggedSentence(f"{path.name}:{one.lines[0]}", tuple(one.words), tuple(own))
            for one, own in zip(sentences, tags, strict=True)
        ]
    return Reading(examples, layout.format, layout.roles.names, found, changed, tuple(notes))


def _one_sentence(path: Path, sentences: Sequence[_Words]) -> list[str]:
    """Say that a file is one long sentence. Raises DataError if it is too long for one."""
    words = len(sentences[0].words)
    if len(sentences) > 1 or words <= _LONG:
        return []
    advice = (
        f"{words:,} words and no end of a sentence; put an empty line after each, or name the column with the "
        "sentence's number: --data-opt columns=sentence,word,tag"
    )
    if words > _LONGEST:
        raise DataError(f"{path}: {advice}.")
    return [f"read as one sentence: {advice}"]


def read_tagged(path: Path, check_tag: TagCheck = lambda tag: None, wanted: Wanted = None) -> list[TaggedSentence]:
    """Read all sentences of a file, as `understand_tagged` without its findings. Raises DataError."""
    found = understand_tagged(path, check_tag, wanted=wanted)
    return [sentence for sentence in found.examples if isinstance(sentence, TaggedSentence)]


def tagged_sentences(path: Path, wanted: Wanted = None) -> Iterator[TaggedSentence]:
    """Yield the sentences of a file with their tags as they stand; only the current one is in memory."""
    for found in _sentences(path, find_layout(path, wanted)):
        yield TaggedSentence(f"{path.name}:{found.lines[0]}", tuple(found.words), tuple(found.tags))


def find_layout(path: Path, wanted: Wanted, told: Sequence[str] = ()) -> Layout:
    """Find delimiter and columns from all lines. Raises DataError."""
    possible = dialects(path)
    if told:
        fitting = [dialect for dialect in possible if dialect.width == len(told)] or possible
        roles = told_roles(path, told, fitting[0].width, wanted)
        header = is_header(next((fields for _, fields in rows(path, fitting[0]) if fields), []))
        return Layout(fitting[0], roles, header)
    for number, dialect in enumerate(possible):
        layout = _layout(path, dialect, wanted)
        last = number == len(possible) - 1
        if last or wanted == "words" or layout.conllu or _has_tags(path, layout):
            return layout
    raise AssertionError


def _has_tags(path: Path, layout: Layout) -> bool:
    content = (fields for _, fields in _content(path, layout.dialect, layout.header) if fields)
    return any(looks_like_tag(fields[layout.roles.tag].strip()) for fields in content)


def _layout(path: Path, dialect: Dialect, wanted: Wanted) -> Layout:
    columns = [Column() for _ in range(dialect.width)]
    names = column_names(path)
    prefixes: set[str] = set()
    header, blank, ended, seen = False, False, False, False
    for _, fields in rows(path, dialect):
        if not fields:
            ended = seen
            continue
        blank = blank or ended
        if not seen and is_header(fields):
            header, names, seen = True, fields, True
            continue
        seen = True
        if len(prefixes) < 2:
            match = _LANGUAGE_PREFIX.match(fields[0])
            prefixes.add(match[0] if match else "")
        for column, value in zip(columns, fields, strict=True):
            column.add(value.strip(_BLANKS))
    conllu = dialect == Dialect("\t", _CONLLU) and columns[0].ids and wanted != "entities"
    if conllu:
        names = ["index", "word", "lemma", "pos", *"______"]
    finder = Finder(path, columns, names if len(names) == dialect.width else (), wanted,
                    lambda one, other: _covers(path, dialect, header, one, other))  # fmt: skip
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    return Layout(dialect, finder.find(blank), header, prefix, conllu)


def _covers(path: Path, dialect: Dialect, header: bool, one: int, other: int) -> bool:
    """Whether column `one` has a tag wherever `other` has one."""
    content = (fields for _, fields in _content(path, dialect, header) if fields)
    return all(fields[one] != "O" or fields[other] == "O" for fields in content)


def _content(path: Path, dialect: Dialect, header: bool) -> Iterator[Row]:
    """Rows without the header."""
    skipped = not header
    for number, fields in rows(path, dialect):
        if fields and not skipped:
            skipped = True
            continue
        yield number, fields


def _sentences(path: Path, layout: Layout) -> Iterator[_Words]:
    found, number, sentence, index = _Words(), "", layout.roles.sentence, layout.roles.index
    for line, fields in chain(_content(path, layout.dialect, layout.header), [(0, [])]):
        begins = bool(fields) and (
            (sentence is not None and fields[sentence] not in ("", number))
            or (index is not None and fields[index] == layout.roles.first_index)
        )
        if (not fields or begins) and found.words:
            yield found
            found = _Words()
        if not fields:
            continue
        if sentence is not None:
            number = fields[sentence] or number
        if index is not None and not is_word_id(fields[index]):
            if is_other_id(fields[index]):
                continue
            raise DataError(f"{path}:{line}: id {fields[index][:60]!r} is not a CoNLL-U id; allowed: 7, 7-8, 7.1.")
        _add(path, line, fields, layout, found)


def _add(path: Path, line: int, fields: Sequence[str], layout: Layout, found: _Words) -> None:
    word = fields[layout.roles.word].strip(_BLANKS)
    if layout.roles.word == 0:
        word = word.removeprefix(layout.prefix)
    tag = fields[layout.roles.tag].strip()
    text = layout.dialect.delimiter.join(fields)
    if not word or not tag:
        raise DataError(f"{path}:{line}: the {'tag' if word else 'token'} is empty: {shown(text)}.")
    if set("\r\n") & set(word + tag):
        raise line_end_error(path, line, text)
    found.words.append(word)
    found.tags.append(sys.intern(tag))
    found.lines.append(line)
