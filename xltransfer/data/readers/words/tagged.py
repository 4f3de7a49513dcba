"""Read files of tagged words in columns: the roles of columns and the scheme of the tags are found from the content.

Sentences are separated by blank lines, by a column with the sentence's number, or by an index that begins again.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.entities import TagCheck, bio_or_checked
from xltransfer.data.readers.lines import report_memory_error, visible
from xltransfer.data.readers.understood import Reading
from xltransfer.data.readers.words.columns import is_word_id
from xltransfer.data.readers.words.ends import Boundary
from xltransfer.data.readers.words.roles import Finder, Roles, Wanted, told_roles
from xltransfer.data.readers.words.rows import FOUR, Dialect, Row, column_names, dialects, line_end_error, rows, shown
from xltransfer.data.readers.words.survey import survey
from xltransfer.data.schemes import looks_like_tag
from xltransfer.errors import DataError

_BLANKS = " \t"
_CONLLU = 10
_MANY = 5
"""Sentences of one word from which that is said."""
_LONG, _LONGEST = 200, 10_000
"""Words of a file's only sentence from which that is said, and up to which it is read."""


@dataclass(frozen=True)
class Layout:
    """How a file's lines are read."""

    dialect: Dialect
    roles: Roles
    skipped: frozenset[int]
    """Lines of a header and of comments."""
    header: bool = False
    prefix: str = ""
    """The language before each word in XTREME's files, as in `en:`."""
    conllu: bool = False
    blank_lines: bool = True
    """Whether empty lines end sentences."""

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
        notes = [*layout.roles.notes, *_lengths(path, sentences), *_four_marks(sentences)]
        tags, found, changed = bio_or_checked(
            [one.tags for one in sentences], lambda one, place: f"{path}:{sentences[one].lines[place]}", check_tag,
            wanted, scheme,
        )  # fmt: skip
        examples = [
            TaggedSentence(f"{path.name}:{one.lines[0]}", tuple(one.words), tuple(own))
            for one, own in zip(sentences, tags, strict=True)
        ]
    return Reading(examples, layout.format, layout.roles.names, found, changed, tuple(notes))


def _lengths(path: Path, sentences: Sequence[_Words]) -> list[str]:
    """Say that a file is one long sentence, or many of one word. Raises DataError if it is too long for one."""
    words = len(sentences[0].words)
    if len(sentences) >= _MANY and all(len(one.words) == 1 for one in sentences):
        return ["each sentence has one word; take the empty lines between the words of a sentence out"]
    if len(sentences) > 1 or words <= _LONG:
        return []
    advice = (
        f"{words:,} words and no end of a sentence; put an empty line after each, or name the column with the "
        "sentence's number: --data-opt columns=sentence,word,tag"
    )
    if words > _LONGEST:
        raise DataError(f"{path}: {advice}.")
    return [f"read as one sentence: {advice}"]


def _four_marks(sentences: Sequence[_Words]) -> Iterator[str]:
    if count := sum(one.words.count(FOUR) for one in sentences):
        yield f"the word {FOUR} is read as it stands ({count} times); if pandas wrote it for one mark, write that"


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
        return _layout(path, fitting[0], wanted, told)
    for number, dialect in enumerate(possible):
        layout = _layout(path, dialect, wanted)
        last = number == len(possible) - 1
        if last or wanted == "words" or layout.conllu or _has_tags(path, layout):
            return layout
    raise AssertionError


def _has_tags(path: Path, layout: Layout) -> bool:
    filled = _filled(path, layout.dialect, layout.skipped)
    return any(looks_like_tag(fields[layout.roles.tag].strip()) for fields in filled)


def _layout(path: Path, dialect: Dialect, wanted: Wanted, told: Sequence[str] = ()) -> Layout:
    """How the lines are read, in columns as `told` or as found."""
    found = survey(path, dialect)
    names: Sequence[str] = column_names(path) or found.names
    conllu = dialect == Dialect("\t", _CONLLU) and not found.header and found.columns[0].ids
    conllu = conllu and not found.columns[1].ids and wanted != "entities" and not told
    if conllu:
        names = ["index", "word", "lemma", "pos", *"______"]

    if told:
        roles = told_roles(path, told, dialect.width, wanted)
    else:
        names = names if len(names) == dialect.width else ()
        finder = Finder(
            path, found.columns, names, wanted, 1 if found.double_spaced else found.groups,
            lambda one, other: _covers(path, dialect, found.skipped, one, other),
            lambda one, other: _counts_anew(path, dialect, found.skipped, one, other),
            lambda one, other: _changes(path, dialect, found.skipped, one, other),
        )  # fmt: skip
        roles = finder.find()
    blank_lines = not (found.double_spaced and roles.ends.beside_blank_lines)
    notes = found.notes if blank_lines else (*found.notes, "the empty line after each row ends no sentence")
    roles = replace(roles, notes=(*notes, *roles.notes))
    return Layout(dialect, roles, found.skipped, found.header, found.prefix, conllu, blank_lines)


def _covers(path: Path, dialect: Dialect, skipped: Container[int], one: int, other: int) -> bool:
    """Whether column `one` has a tag wherever `other` has one."""
    return all(fields[one] != "O" or fields[other] == "O" for fields in _filled(path, dialect, skipped))


def _counts_anew(path: Path, dialect: Dialect, skipped: Container[int], unit: int, number: int) -> bool:
    """Whether the numbers of one column begin anew where another one changes, and only there."""
    before, first, last = "", 0, 0
    for fields in _filled(path, dialect, skipped):
        if not is_word_id(fields[number]):
            return False
        now, changes = int(fields[number]), before not in ("", fields[unit])
        first = now if not before else first
        if now != first if changes else now < last:
            return False
        before, last = fields[unit], now
    return True


def _changes(path: Path, dialect: Dialect, skipped: Container[int], index: int, other: int) -> bool:
    """Whether one column changes, or has its first value, wherever the index in another one begins anew."""
    first = before = None
    last = -1
    for fields in _filled(path, dialect, skipped):
        first = fields[other] if first is None else first
        if is_word_id(fields[index]):
            if int(fields[index]) <= last and fields[other] in {before} - {first}:
                return False
            last = int(fields[index])
        before = fields[other]
    return True


def _filled(path: Path, dialect: Dialect, skipped: Container[int]) -> Iterator[list[str]]:
    """The columns of each row that is a word's."""
    return (fields for _, fields in _content(path, dialect, skipped) if fields)


def _content(path: Path, dialect: Dialect, skipped: Container[int]) -> Iterator[Row]:
    """Rows without the header and comments."""
    return (row for row in rows(path, dialect) if row[0] not in skipped)


def _sentences(path: Path, layout: Layout) -> Iterator[_Words]:
    found, boundary, index = _Words(), Boundary(layout.roles.ends), layout.roles.ends.index
    for line, fields in chain(_content(path, layout.dialect, layout.skipped), [(0, [])]):
        if not fields and line and not layout.blank_lines:
            continue
        try:
            ends = not fields or boundary.begins(fields)
        except ValueError as error:
            wrong = str(error)[:60]
            raise DataError(f"{path}:{line}: id {wrong!r} is not a CoNLL-U id; allowed: 7, 7-8, 7.1.") from error
        if ends and found.words:
            yield found
            found = _Words()
        if fields and (index is None or is_word_id(fields[index])):
            _add(path, line, fields, layout, found)


def _add(path: Path, line: int, fields: Sequence[str], layout: Layout, found: _Words) -> None:
    word = fields[layout.roles.word].strip(_BLANKS)
    if layout.roles.word == 0:
        word = word.removeprefix(layout.prefix)
    tag = visible(fields[layout.roles.tag]).strip()
    text = layout.dialect.delimiter.join(fields)
    if not word or not tag:
        raise DataError(f"{path}:{line}: the {'tag' if word else 'token'} is empty: {shown(text)}.")
    if set("\r\n") & set(word + tag):
        raise line_end_error(path, line, text)
    found.words.append(word)
    found.tags.append(sys.intern(tag))
    found.lines.append(line)
