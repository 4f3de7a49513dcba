"""Tagging schemes of entities: recognise a corpus's scheme, and convert between it and BIO.

A scheme marks a word by its place in an entity: B begins it, I (M in BMES) is inside, E (L in BILOU) ends it, S (U, W)
is an entity of one word (Ramshaw and Marcus 1995; Tjong Kim Sang and Veenstra 1999; Ratinov and Roth 2009).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Tags = Sequence[str]
_STRAY_SHARE = 0.01
"""Share of entities that may begin with I in a file that is BIO otherwise: corpora have a few such slips."""


@dataclass(frozen=True)
class Scheme:
    """How the tags of a corpus say where an entity begins and ends.

    `begin`, `inside`, `end` and `single` are the letters of the places. With `only_between`, the rarer of
    two letters stands only where two entities of one type touch.
    """

    name: str
    begin: str = "B"
    inside: str = "I"
    end: str = "I"
    single: str = "B"
    only_between: bool = False
    suffix: bool = False
    separator: str = "-"

    @property
    def letters(self) -> set[str]:
        """The letters of its tags."""
        return {self.begin, self.inside, self.end, self.single}

    @property
    def starts(self) -> set[str]:
        """Letters that always begin an entity."""
        return {self.begin, self.single} - {self.inside, self.end}

    @property
    def ends(self) -> set[str]:
        """Letters that always end one."""
        return {self.end, self.single} - {self.inside, self.begin}

    @property
    def title(self) -> str:
        """The name that `--scheme` and `scheme=` take."""
        return self.name + ("-suffix" if self.suffix else "") + ("" if self.separator == "-" else self.separator)

    def tag(self, letter: str, kind: str) -> str:
        """A tag of one word."""
        return f"{kind}{self.separator}{letter}" if self.suffix else f"{letter}{self.separator}{kind}"

    def parts(self, tag: str) -> tuple[str, str] | None:
        """Letter and type of a tag, or None if it is no tag of an entity."""
        found = re.fullmatch(
            rf"(\S+)\{self.separator}([A-Z])" if self.suffix else rf"([A-Z])\{self.separator}(\S+)", tag
        )
        if found is None:
            return None
        letter, kind = found.groups()[:: -1 if self.suffix else 1]
        return (letter, kind) if letter in self.letters else None


_NAMED = (
    Scheme("bio"),
    Scheme("iob1", only_between=True),
    Scheme("ioe2", "I", "I", "E", "E"),
    Scheme("ioe1", "I", "I", "E", "E", only_between=True),
    Scheme("iobes", "B", "I", "E", "S"),
    Scheme("bilou", "B", "I", "L", "U"),
    Scheme("bmes", "B", "M", "E", "S"),
    Scheme("bmew", "B", "M", "E", "W"),
)
BIO = _NAMED[0]
_SPELLINGS = tuple(
    dataclasses.replace(scheme, suffix=suffix, separator=separator)
    for separator in "-_"
    for suffix in (False, True)
    for scheme in _NAMED
)
_LETTERS = "".join(sorted(set[str]().union(*(scheme.letters for scheme in _NAMED))))
_KIND = r"\S*[^\W\d_]\S*"
_TAG = re.compile(rf"O|[{_LETTERS}][-_]{_KIND}|{_KIND}[-_][{_LETTERS}]")
RAW = Scheme("raw")
"""Types without letters; each run of one type is one entity."""
NAMES = (*(scheme.name for scheme in _NAMED), "raw")
_ALIASES = {"iob2": "bio", "bioes": "iobes", "bmewo": "bmew", "iob": "iob1"}
"""Other names of schemes; IOB alone is what CoNLL-2003 calls it."""


def named(title: str) -> Scheme | None:
    """Return the scheme of a name such as `iobes`, `bio-suffix` or `raw`; None if there is none."""
    found = re.fullmatch(r"([a-z0-9]+)(-suffix)?(_)?", title.lower())
    if found is None:
        return None
    name = _ALIASES.get(found[1], found[1])
    scheme = RAW if name == "raw" else next((one for one in _NAMED if one.name == name), None)
    return scheme and dataclasses.replace(scheme, suffix=bool(found[2]), separator=found[3] or "-")


@dataclass(frozen=True)
class Break:
    """A tag that a scheme would not have written: its sentence and place, from 0, and what would be there."""

    scheme: Scheme
    sentence: int
    place: int
    received: str
    expected: str


class UnknownSchemeError(Exception):
    """Tags that fit no scheme; `breaks` holds the first break of each scheme, nearest scheme first."""

    def __init__(self, breaks: Sequence[Break]) -> None:
        super().__init__("tags fit no scheme")
        self.breaks = tuple(breaks)


def looks_like_tag(tag: str) -> bool:
    """Whether a tag is O, or of a letter and a type in some scheme; a type has a letter, unlike that of B-52."""
    return bool(_TAG.fullmatch(tag))


def recognise(sentences: Sequence[Tags]) -> Scheme:
    """Return the scheme of a whole corpus: the one that writes its entities just as they stand.

    BIO is also taken where up to one entity in a hundred begins with I. Raises UnknownSchemeError.
    """
    found = {tag for tags in sentences for tag in tags} - {"O"}
    fitting = [scheme for scheme in _SPELLINGS if all(map(scheme.parts, found))]
    breaks: list[list[Break]] = []
    for scheme in fitting:
        broken = list(_breaks(sentences, scheme))
        if not broken:
            return scheme
        breaks.append(broken)
    breaks.sort(key=len)
    if breaks and breaks[0][0].scheme.name == "bio":
        entities = sum(len(spans(tags, breaks[0][0].scheme)) for tags in sentences)
        if len(breaks[0]) <= _STRAY_SHARE * entities:
            return breaks[0][0].scheme
    raise UnknownSchemeError([broken[0] for broken in breaks])


def _breaks(sentences: Iterable[Tags], scheme: Scheme) -> Iterator[Break]:
    for number, tags in enumerate(sentences):
        if tags.count("O") == len(tags):
            continue
        for place, (received, expected) in enumerate(
            zip(tags, write(len(tags), spans(tags, scheme), scheme), strict=True)
        ):
            if received != expected:
                yield Break(scheme, number, place, received, expected)


Span = tuple[int, int, str]
"""Start, end (after the last word) and type of an entity."""


def spans(tags: Tags, scheme: Scheme) -> list[Span]:
    """Find the entities; a tag that does not go on with the entity before it begins one. Other tags count as O."""
    parts = _memo(scheme)
    starts, ends = scheme.starts, scheme.ends
    found: list[Span] = []
    kind, start, closed = "", 0, True
    for place, (letter, new) in enumerate([*map(parts.__getitem__, tags), ("", "")]):
        if closed or new != kind or letter in starts:
            if kind:
                found.append((start, place, kind))
            kind, start = new, place
        closed = letter in ends
    return found


class _Parts(dict[str, tuple[str, str]]):
    """Letter and type of each tag seen, both empty where it is no tag of an entity."""

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(O=("", ""))
        self.scheme = scheme

    def __missing__(self, tag: str) -> tuple[str, str]:
        found = (RAW.inside, tag) if self.scheme.name == "raw" else self.scheme.parts(tag) or ("", "")
        return self.setdefault(tag, found)


_memo = functools.cache(_Parts)


def write(length: int, entities: Sequence[Span], scheme: Scheme) -> list[str]:
    """Write the tags of a sentence of `length` words."""
    tags = ["O"] * length
    for number, (start, end, kind) in enumerate(entities):
        if scheme.name == "raw":
            tags[start:end] = [kind] * (end - start)
            continue
        letters = [scheme.inside] * (end - start)
        letters[0], letters[-1] = scheme.begin, scheme.end
        if end - start == 1:
            letters = [scheme.single]
        if scheme.only_between:
            letters = _between(letters, entities, number, scheme)
        tags[start:end] = [scheme.tag(letter, kind) for letter in letters]
    return tags


def _between(letters: list[str], entities: Sequence[Span], number: int, scheme: Scheme) -> list[str]:
    """IOB1 and IOE1: the rarer letter only where an entity touches another of its type."""
    start, end, kind = entities[number]
    before = number > 0 and entities[number - 1][1:] == (start, kind)
    after = number + 1 < len(entities) and entities[number + 1][0] == end and entities[number + 1][2] == kind
    letters = ["I"] * len(letters)
    if scheme.begin == "B" and before:
        letters[0] = "B"
    if scheme.end == "E" and after:
        letters[-1] = "E"
    return letters


def to_bio(tags: Tags, scheme: Scheme) -> list[str]:
    """Convert a sentence's tags to BIO. Tags that are BIO already stay as they are, slips included."""
    return list(tags) if scheme == BIO else write(len(tags), spans(tags, scheme), BIO)


def from_bio(tags: Tags, scheme: Scheme) -> list[str]:
    """Convert a sentence's BIO tags to a scheme."""
    return write(len(tags), spans(tags, BIO), scheme)
