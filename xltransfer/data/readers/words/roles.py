"""Find which column of a file holds the words and which the tags, from what all its rows hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xltransfer.data.readers.words.columns import Column
from xltransfer.data.readers.words.ends import Ends, Together, find_ends, says_yes
from xltransfer.errors import DataError

Wanted = Literal["entities", "words"] | None
"""What the tags are of: entities in a scheme, words (parts of speech), or either."""
_MOST = 0.5
"""Share of a column's values that are tags of a scheme, if it holds them."""
_ENOUGH = 30
"""Rows from which the number of distinct values tells words from classes."""
_NAMES = {
    "word": "word words token tokens form forms wordform text surface",
    "tag": "tag tags ner nertag nertags label labels entity entities bio iob iob2 ne namedentity",
    "pos": "upos upostag pos postag postags cpos cpostag goldpos goldupos partofspeech universalpos",
    "xpos": "xpos xpostag",
    "sentence": "sentence sentenceid sentencenumber sentencenr sentenceno sentenceidx sentence# sent sentid sentno "
    "sentnr sentidx senti sid",
    "document": "document documentid doc docid file filename",
    "start": "issentstart sentstart issentencestart sentencestart newsentence sentbegin sentencebegin",
    "index": "index idx id tokenid wordid position #",
    "lemma": "lemma lemmas",
    "chunk": "chunk chunktag chunks npchunk",
}
ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
"""Names of columns, in lower case without blanks, hyphens and underscores, and their roles."""


@dataclass(frozen=True)
class Roles:
    """The role of each column; `word` and `tag` are columns' numbers from 0."""

    names: tuple[str, ...]
    word: int
    tag: int
    ends: Ends = Ends()
    notes: tuple[str, ...] = field(default=())


def role_named(name: str) -> str:
    """The role that a column's name says, or an empty string."""
    return ROLES.get(re.sub(r"[\s_-]", "", name.lower()), "")


def is_header(fields: Sequence[str]) -> bool:
    """Whether a first row names columns: a word's and a tag's."""
    roles = {role_named(name) for name in fields}
    return "word" in roles and bool(roles & {"tag", "pos", "xpos", "chunk"})


def told_roles(path: object, told: Sequence[str], width: int, wanted: Wanted) -> Roles:
    """Roles that the user gives. Raises DataError if they do not fit the file."""
    roles = [role_named(name) for name in told]
    kinds = ("pos", "tag", "xpos") if wanted == "words" else ("tag", "pos", "chunk")
    tag = next((kind for kind in kinds if kind in roles), "")
    if len(told) != width or roles.count("word") != 1 or not tag or roles.count(tag) != 1:
        raise DataError(
            f"{path}: columns: received {','.join(told)}; allowed: a name for each of its {width} columns, one of them "
            "word and one tag (or pos), such as index,word,pos,chunk,tag; _ for what is not read."
        )
    index = roles.index("index") if "index" in roles else None
    sentence = tuple(number for number, role in enumerate(roles) if role in ("sentence", "document"))
    start = roles.index("start") if "start" in roles else None
    return Roles(tuple(told), roles.index("word"), roles.index(tag), Ends(index, sentence=sentence, start=start))


class Finder:
    """Finds the roles of a file's columns.

    `covers(a, b)` says whether column a has a tag wherever b has one; `anew` and `changes` are those of `find_ends`.
    `groups` is the number of parts between empty lines that end sentences.
    """

    def __init__(
        self, path: object, columns: Sequence[Column], named: Sequence[str], wanted: Wanted, groups: int,
        covers: Together, anew: Together, changes: Together,
    ) -> None:  # fmt: skip
        self.path = path
        self.columns = columns
        self.roles = [role_named(name) for name in named] or [""] * len(columns)
        self.wanted = wanted
        self.groups = groups
        self.covers = covers
        self.anew = anew
        self.changes = changes
        self.choices: list[tuple[str, int, str]] = []
        """What was chosen, and the column that could have had the role instead."""

    def find(self) -> Roles:
        """Assign a role to each column. Raises DataError where none, or no single one, can be the word or the tag."""
        for number, column in enumerate(self.columns):
            self.roles[number] = self._checked(self.roles[number], column) or self._kind(column)
        ends = find_ends(self.columns, self.roles, self.groups, self.anew, self.changes)
        for number in ends.sentence:
            self.roles[number] = "document" if self.roles[number] == "document" else "sentence"
        schemes = self._schemes()
        entities = bool(schemes) if self.wanted is None else self.wanted == "entities"
        tag = self._entity_tag(schemes) if entities else self._word_tag()
        self.roles[tag] = "tag"
        word = self._word()
        if texts := [number for number in (word, tag) if self.columns[number].texts]:
            examples = self.columns[texts[0]].examples()
            raise DataError(f"{self.path}: column {texts[0] + 1} holds texts of several words, {examples}; for "
                            "labelled texts: --task classification.")  # fmt: skip
        self.roles[word] = "word"
        names = tuple(self._shown(number) for number in range(len(self.columns)))
        notes = [ends.note] if ends.note else []
        return Roles(names, word, tag, ends, (*notes, *self._notes(word, tag)))

    def _shown(self, number: int) -> str:
        """The role of a column, for the user."""
        role = self.roles[number]
        if role == "scheme":
            return "chunk" if self.columns[number].chunks else "_"
        return {"": "_", "class": "pos"}.get(role, role)

    def _notes(self, word: int, tag: int) -> Iterator[str]:
        """What was chosen, with the option that takes the other reading."""
        if self.wanted == "entities" and self.columns[tag].chunks:
            yield f"column {tag + 1} holds phrases (chunks), which are read as the entities"
        for choice, other, role in self.choices:
            names = ["_"] * len(self.columns)
            names[word], names[tag] = "word", "tag"
            taken = word if role == "word" else tag
            names[taken] = names[other] if other in (word, tag) else "_"
            names[other] = role
            yield f"{choice}; otherwise: --data-opt columns={','.join(names)}"

    def _checked(self, role: str, column: Column) -> str:
        """The role that a column's name says; an id that numbers no words numbers sentences, or nothing."""
        if role == "index" and (column.stays or not column.ids):
            return "sentence" if column.numbers_sentences or column.stays_a_while else "_"
        if role in ("sentence", "start") and column.flags and not column.stays_a_while:
            return "start" if says_yes(next(iter(column.values))) else "_"
        return "_" if role == "start" else role

    def _kind(self, column: Column) -> str:
        """A role by content; that of tags, too, if only half of them are of a scheme, so that slips are named."""
        if column.counts:
            return "index"
        if column.tags >= _MOST:
            return "scheme"
        if column.numeric or column.features or column.constant or column.relations:
            return "_"
        return "class" if column.classes else ""

    def _with(self, *roles: str) -> list[int]:
        return [number for number, found in enumerate(self.roles) if found in roles]

    def _schemes(self) -> list[int]:
        """Columns of tags in a scheme; those of phrases only if there are no others."""
        schemes = self._with("scheme")
        entities = [number for number in schemes if not self.columns[number].chunks]
        if not schemes or entities:
            return entities
        return [number for number in self._with("", "class") if self.columns[number].types] or schemes

    def _first(self, tags: list[int]) -> int:
        """The first of columns whose names say that they hold the tags, the most fitting first."""
        if tags[1:]:
            choice = f"columns {self._listed(tags)} are called tags; column {tags[0] + 1} is read"
            self.choices.append((choice, tags[1], "tag"))
        return tags[0]

    def _entity_tag(self, schemes: list[int]) -> int:
        if named := self._with("tag"):
            return self._first(sorted(named, key=lambda number: self.columns[number].tags < _MOST))
        empty = all(self.columns[number].constant for number in schemes) and self.columns[0].rows < _ENOUGH
        words = [number for number in self._with("", "word") if len(self.columns[number].values) > 1]
        if len(schemes) > 1 and (empty or not words):
            raise self._doubt("tag", *schemes[:2])
        schemes = [number for number in schemes if not self.columns[number].constant] or schemes
        if not schemes:  # the last column, so that its first line is named
            return max((n for n, role in enumerate(self.roles) if role not in ("index", "sentence")), default=0)
        outer = schemes[0]
        for other in schemes[1:]:
            if self.covers(outer, other):
                continue
            if not self.covers(other, outer):
                raise self._doubt("tag", outer, other)
            outer = other
        if len(schemes) > 1:
            other = next(number for number in schemes if number != outer)
            choice = f"columns {self._listed(schemes)} hold tags; column {outer + 1}, the outer one, is read"
            self.choices.append((choice, other, "tag"))
        return outer

    def _word_tag(self) -> int:
        """The column of parts of speech."""
        columns, classes = self.columns, self._with("class")
        named = self._with("pos") or self._with("tag") or self._with("xpos")
        named.sort(key=lambda number: (columns[number].tags >= _MOST, columns[number].part_of_speech < 2))
        if named and (columns[named[0]].tags < _MOST or not (classes or self._with(""))):
            return self._first(named)
        if classes:
            likelihood = {number: columns[number].part_of_speech for number in classes}
            best, *others = sorted(classes, key=lambda number: -likelihood[number])
            if others and likelihood[others[0]] == likelihood[best] and self._with("", "word"):
                raise self._doubt("tag", best, others[0])
            words = self._with("", "word")
            if not likelihood[best] and words[1:]:
                choice = f"column {best + 1} ({columns[best].examples()}) is read as parts of speech"
                self.choices.append((choice, words[-1], "tag"))
            if not others or words:
                return best
        texts = self._with("", "class")
        if len(texts) == 2:  # words, and tags of no known kind: those that vary less
            first, last = texts
            less, more = texts if 2 * self.columns[first].variety < self.columns[last].variety else (last, first)
            choice = f"columns {self._listed(texts)} can both be words; column {less + 1} is read as their tags"
            self.choices.append((choice, more, "tag"))
            return less
        if len(texts) < 2 and (others := [number for number in self._with("scheme", "_") if number not in texts]):
            return others[-1]
        raise DataError(f"{self.path}: no column of tags found among {len(self.columns)}. {self._advice()}")

    def _word(self) -> int:
        if named := self._with("word"):
            if named[1:]:
                choice = f"columns {self._listed(named)} are called words; column {named[0] + 1} is read"
                self.choices.append((choice, named[1], "word"))
            return named[0]
        texts = self._with("") or self._with("class") or self._with("_")
        if not any(self.columns[number].alphabetic for number in texts):  # the words may be numbers
            texts = sorted({*texts, *self._with("_", "class")})
        if not texts:
            texts = [number for number, role in enumerate(self.roles) if role not in ("tag", "sentence")]
        if not texts:
            raise DataError(f"{self.path}: no column of words found among {len(self.columns)}. {self._advice()}")
        word = texts[0]
        for other in texts[1:]:
            word = self._rather(word, other)
        return word

    def _rather(self, one: int, other: int) -> int:
        """Which of two columns is the word. Raises DataError if that is uncertain."""
        first, second = self.columns[one], self.columns[other]
        if first.values == second.values:
            return one
        small, large = sorted((one, other), key=lambda number: self.columns[number].variety)
        clear = first.rows >= _ENOUGH and self.columns[large].alphabetic and not self.columns[large].capped
        if clear and 4 * self.columns[small].variety < self.columns[large].variety:
            return large
        lowered = [{value.lower() for value in column.values} for column in (first, second)]
        marks = [(column.variety, sum(value != value.lower() for value in column.values)) for column in (first, second)]
        if len(lowered[0] & lowered[1]) < 0.3 * min(map(len, lowered)) or marks[0] == marks[1]:
            raise self._doubt("word", one, other)
        form, lemma = (other, one) if marks[1] > marks[0] else (one, other)
        self.roles[lemma] = "lemma"
        choice = f"columns {self._listed([one, other])} are much alike; column {form + 1} is read as the word"
        self.choices.append((f"{choice} and column {lemma + 1} taken for its lemma", lemma, "word"))
        return form

    def _listed(self, numbers: Sequence[int]) -> str:
        return " and ".join(str(number + 1) for number in sorted(numbers))

    def _doubt(self, role: str, one: int, other: int) -> DataError:
        readings = [f"column {number + 1} ({self.columns[number].examples()})" for number in sorted((one, other))]
        return DataError(f"{self.path}: the {role} can be {' or '.join(readings)}. {self._advice()}")

    def _advice(self) -> str:
        names = ["_"] * len(self.columns)
        names[0], names[-1] = "word", "tag"
        return (
            f"Say what the {len(self.columns)} columns are, for example --data-opt columns={','.join(names)} "
            "(--source-data-opt for --source-data)."
        )
