"""Statistics of the columns of a file of tagged words, from all its rows: what a column's role is found from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from xltransfer.data.schemes import looks_like_tag

_MOST_VALUES = 20_000
_DIGITS = 18
_FEW = 10
_SHARE = 0.8
"""Share of the values that are of an inventory, if the column is."""
_TYPES = 80
"""The most classes that a column holds."""
_FILLERS = frozenset(["", "_", "-", "-X-", "*", "O", "X"])
_LETTER = re.compile(r"^[A-Z][-_]|[-_][A-Z]$")
_NOT_A_WORD = re.compile(r"([0-9]{1,9})([-.])([1-9][0-9]{0,8})")
"""Ids of multi-word tokens (5-6, whose words follow) and of empty nodes (8.1, which are not words)."""
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")
_NUMBERED = re.compile(r".*[0-9].*")
_FLAGS = ({"0", "1"}, {"true", "false"}, {"yes", "no"}, {"-1", "1"})
LAST = "EndOfSentence"
_FEATURES = re.compile(r"_|[^=|]+=[^|]*(\|[^=|]+=[^|]*)*")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9$+_.:|/-]*|[^\w\s]+")


def _inventory(tags: str) -> frozenset[str]:
    return frozenset(tags.split())


_CHUNKS = _inventory("NP VP PP ADVP ADJP SBAR PRT CONJP INTJ LST UCP NC VC PC")
_UPOS = _inventory("ADJ ADP ADV AUX CCONJ CONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
_PENN = _inventory(
    "CC CD DT EX FW IN JJ JJR JJS LS MD NN NNS NNP NNPS PDT POS PRP PRP$ RB RBR RBS RP SYM TO UH VB VBD VBG VBN VBP "
    "VBZ WDT WP WP$ WRB NP . , : ( ) `` '' \" # $ -LRB- -RRB- HYPH NFP ADD AFX GW XX"
)
_RELATIONS = _inventory(
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl fixed "
    "flat goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative xcomp"
)


class Column:
    """One column: how often each value occurs, and whether it counts words or holds a sentence's number."""

    def __init__(self) -> None:
        self.values: Counter[str] = Counter()
        self.rows = 0
        self.capped = False
        self.contiguous = True
        """Whether no value comes again after another one."""
        self.runs = 0
        """Places where a value stands that is not the one before."""
        self.starts = self.falls = 0
        """Rows with the first number, and how often it comes after a greater one."""
        self.stays = False
        """Whether a number other than the first stands twice in a row."""
        self._grows = True
        self._base: int | None = None
        self._number = -1
        self._node = (-1, 0)
        """The last empty node, as (8, 1)."""
        self._last = ""
        self._seen: set[str] = set()
        self.goes_on = False
        """Whether a value stays, or a number does not begin anew, over an empty line."""

    def add(self, field: str, after_blank: bool = False) -> None:
        """Take the next word's value."""
        if after_blank and self.rows:
            begins = self._grows and is_word_id(field) and int(field) == self._base
            self.goes_on = self.goes_on or not (begins or field not in ("", self._last))
        self.rows += 1
        if len(self.values) < _MOST_VALUES or field in self.values:
            self.values[field] += 1
        else:
            self.capped = True
        if is_word_id(field):
            self._count(int(field))
        elif not self._stands_between(field):
            self._grows = False
        if field and field != self._last:
            self.runs += 1
            self.contiguous = self.contiguous and field not in self._seen
            if self.contiguous:
                self._seen.add(field)
            self._last = field

    def _count(self, number: int) -> None:
        if self._base is None:
            self._base = number
        if number == self._base:
            self.starts += 1
            self.falls += number < self._number
        else:
            self.stays = self.stays or number == self._number
            self._grows = self._grows and number >= self._number
        self._number = number

    def _stands_between(self, field: str) -> bool:
        """Whether an id such as 5-6 or 8.1 stands in its place: before 5, after 8; or it begins a sentence."""
        if not (found := _NOT_A_WORD.fullmatch(field)):
            return False
        first, last = int(found[1]), int(found[3])
        if found[2] == "-":
            return first < last and first in (0, 1, self._number + 1)
        before, self._node = self._node, (first, last)
        return before == (first, last - 1) or (last == 1 and first in (0, self._number))

    @property
    def _grows_from_start(self) -> bool:
        return self._grows and self._base in (0, 1)

    @property
    def counts(self) -> bool:
        """Whether it grows from 0 or 1 and may begin again; ids such as 5-6 and 8.1 may stand between."""
        numbers = self.contiguous and 1 < self.starts < self.rows
        return self._grows_from_start and not self.stays and not numbers

    @property
    def begins_again(self) -> bool:
        """Whether it counts the words of several sentences, of two words or more on average, some of three."""
        longer = 2 * self.starts <= self.rows and len(self.values) > 2
        return self.ids and not self.stays and self.falls > 0 and longer

    @property
    def ids(self) -> bool:
        """Whether most values are ids as in CoNLL-U, most of them of words."""
        words = sum(count for value, count in self.values.items() if is_word_id(value))
        others = sum(count for value, count in self.values.items() if is_other_id(value))
        return words >= others and 2 * (words + others) >= sum(self.values.values())

    @property
    def constant(self) -> bool:
        """Whether all rows hold the same; of a few rows, a usual filler."""
        return len(self.values) == 1 and (self.rows >= _FEW or not _FILLERS.isdisjoint(self.values))

    @property
    def alphabetic(self) -> bool:
        """Whether some value is a word of letters alone."""
        return any(map(str.isalpha, self.values))

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers."""
        return all(map(_NUMBER.fullmatch, self.values))

    @property
    def numbers_sentences(self) -> bool:
        """Whether the values can be numbers of sentences or documents: most hold a digit, and each stays a while.

        None comes again, or, of sentences counted anew in each document, the first one alone after a greater one.
        """
        anew = self.counts_sentences and 3 * (self.falls + 1) <= self.runs
        numbered = sum(bool(_NUMBERED.fullmatch(value)) for value in self.values)
        return anew or (self.stays_a_while and 2 * self.runs <= self.rows and 2 * numbered > len(self.values))

    @property
    def counts_sentences(self) -> bool:
        """Whether it grows from 0 or 1, stays for some rows, and may begin again."""
        return self._grows_from_start and self.stays and 1 < self.runs < self.rows

    @property
    def stays_a_while(self) -> bool:
        """Whether each value stays for some rows and none comes again."""
        return self.contiguous and 1 < self.runs < self.rows

    @property
    def flags(self) -> bool:
        """Whether the values are yes and no, as where a sentence begins."""
        return len(self.values) == 2 and {value.lower() for value in self.values} in _FLAGS

    @property
    def tags(self) -> float:
        """Share of the rows that hold a tag of some scheme."""
        return sum(count for value, count in self.values.items() if looks_like_tag(value)) / max(1, self.rows)

    @property
    def chunks(self) -> bool:
        """Whether its tags are those of phrases."""
        kinds = {_LETTER.sub("", value).upper() for value in self.values if looks_like_tag(value) and value != "O"}
        return bool(kinds) and kinds <= _CHUNKS

    @property
    def types(self) -> bool:
        """Whether the values are O and a few others, as types of entities without letters are."""
        return "O" in self.values and not self.capped and len(self.values) > 1 and self._are_few(len(self.values))

    @property
    def features(self) -> bool:
        """Whether all values are features, as in `Case=Nom|Number=Sing`."""
        return all(map(_FEATURES.fullmatch, self.values)) and any("=" in value for value in self.values)

    @property
    def marks_ends(self) -> bool:
        """Whether some value marks the last word of a sentence, as in HIPE-2022."""
        return any(LAST in value for value in self.values)

    @property
    def texts(self) -> bool:
        """Whether most rows hold several words."""
        return 2 * sum(count for value, count in self.values.items() if " " in value) > self.rows

    @property
    def part_of_speech(self) -> int:
        """Whether these are parts of speech: 2 for universal ones, in either case, 1 for Penn's, 0."""
        if _share_in(_UPOS, {value.upper() for value in self.values}) >= _SHARE:
            return 2
        return 1 if _share_in(_PENN, self.values) >= _SHARE else 0

    @property
    def classes(self) -> bool:
        """Whether the values are classes, such as parts of speech, rather than words."""
        if self.rows < _FEW and sum(value.isalpha() for value in self.values) < 2:
            return False  # too few to tell
        few = self.rows >= _FEW and self._are_few(len(self.values))
        return bool(self.part_of_speech or (few and all(map(_CLASS.fullmatch, self.values))))

    @property
    def relations(self) -> bool:
        """Whether the values are relations of dependency grammar."""
        return sum(value.partition(":")[0] in _RELATIONS for value in self.values) >= _SHARE * len(self.values)

    def is_of_another_kind(self, value: str) -> bool:
        """Whether all other values are numbers, tags, or parts of speech, and this one is no slip in one."""
        others = [other for other in self.values if other != value]
        if not others or self.capped or value.upper() in {_LETTER.sub("", other).upper() for other in others}:
            return False
        if all(map(_NUMBER.fullmatch, others)):
            return not _NUMBER.fullmatch(value)
        if all(map(looks_like_tag, others)):
            return not looks_like_tag(value) and value.upper() != "O"
        inventories = any(value not in known and known.issuperset(others) for known in (_UPOS, _PENN))
        return inventories or (self._are_few(len(others)) and any(map(_differs(value, others), _FORMS)))

    def few_without(self, value: str) -> bool:
        """Whether all values but this one are few, as classes are."""
        return not self.capped and self._are_few(len(self.values) - 1)

    def _are_few(self, values: int) -> bool:
        """Whether so many distinct values are few enough for classes."""
        return values <= min(_TYPES, self.rows / 2)

    @property
    def variety(self) -> float:
        """Distinct values a row."""
        return len(self.values) / max(1, sum(self.values.values()))

    def examples(self) -> str:
        """A few values, for a message."""
        return ", ".join(repr(value[:20]) for value in list(self.values)[:3])


def _share_in(inventory: frozenset[str], values: Collection[str]) -> float:
    """Share of distinct values that are in an inventory."""
    return sum(value in inventory for value in values) / max(1, len(values))


_FORMS: tuple[Callable[[str], bool], ...] = (
    str.isascii,
    lambda value: not set(" ()") & set(value),
    lambda value: value == value.upper(),
    lambda value: value == value.lower() or not value[1:],
)


def _differs(value: str, others: Sequence[str]) -> Callable[[Callable[[str], bool]], bool]:
    """Of a form: whether all others are of it, and this value is not."""
    return lambda form: not form(value) and all(map(form, others))


def is_tag(value: str) -> bool:
    """Whether a value is a tag of an entity or a usual part of speech."""
    return looks_like_tag(value) or is_part_of_speech(value)


def is_part_of_speech(value: str) -> bool:
    """Whether a value is a usual part of speech."""
    return value in _UPOS or value in _PENN


def is_word_id(field: str) -> bool:
    """Whether an id is that of a word: a plain number."""
    return field.isascii() and field.isdigit() and len(field) <= _DIGITS


def is_other_id(field: str) -> bool:
    """Whether an id is that of a multi-word token or an empty node."""
    return bool(_NOT_A_WORD.fullmatch(field))
