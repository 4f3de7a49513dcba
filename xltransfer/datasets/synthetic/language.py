"""Synthetic languages: the source, and targets derived from it by operations that depend on their distance.

After synthetic-language studies of multilingual encoders (K et al. 2020, arXiv 1912.07840; Deshpande et al. 2022,
arXiv 2110.14782). With distance d between 0 and 1:

- words: a share d of the concepts (d/2 for names) has an unrelated word; the others are cognates, changed by regular
  sound shifts, whose number grows with d;
- affixes: objects have a suffix from 0.3, verbs from 0.5, obliques from 0.7;
- order: adjectives follow nouns from 0.4, verbs end their clause from 0.6, postpositions replace prepositions from 0.8;
- script: other letters from 0.95.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cached_property, lru_cache

from xltransfer.datasets.synthetic.grammar import CLASS_SIZES, NAME_CLASSES, Phrase, Token

_ONSETS = "ptkbdgmnslrvz"
_VOWELS = "aeiou"
_SHIFTS = (("p", "f"), ("u", "o"), ("k", "h"), ("e", "i"), ("z", "s"), ("d", "t"), ("v", "w"), ("g", "j"))
_OTHER_SCRIPT = dict(zip("abcdefghijklmnopqrstuvwxyz", "абцдефгхижклмнопщрстувшьыз", strict=True))
_SUFFIXES = {"last": ("san", "ovi"), "place": ("burg", "ia", "ton"), "brand": ("eks",), "first": ("o", "a")}
_FUNCTION_CLASSES = ("determiner", "preposition", "pronoun", "conjunction", "negation", "copula", "number")
_AFFIXES = {"object": (0.3, "em"), "verb": (0.5, "uta"), "oblique": (0.7, "il")}
_PUNCTUATION = {("comma", 0): ",", ("stop", 0): ".", ("stop", 1): "!"}


@lru_cache(maxsize=64)
def language_at(distance: float) -> Language:
    """Return the language at a distance, cached so that its lexicon is built once per process."""
    return Language(distance)


class Language:
    """Turns phrases into words and tags. Distance 0 is the source."""

    def __init__(self, distance: float) -> None:
        self.distance = distance

    def render(self, sentence: Phrase) -> tuple[list[str], list[Token]]:
        """Return the words of a sentence in this language's order, and their tokens."""
        tokens = self._order(sentence)
        words = [self._word(token) for token in tokens]
        words[0] = words[0][:1].upper() + words[0][1:]
        return words, tokens

    def _order(self, node: Phrase | Token) -> list[Token]:
        if isinstance(node, Token):
            return [node]
        parts = list(node.parts)
        if node.kind == "noun" and self.distance >= 0.4:  # determiner noun adjective
            parts.sort(key=lambda part: isinstance(part, Token) and part.kind == "adjective")
        if node.kind == "clause" and self.distance >= 0.6:
            parts.sort(key=lambda part: isinstance(part, Phrase) and part.kind == "verb")
        if node.kind == "prepositional" and self.distance >= 0.8:
            parts.reverse()
        if node.kind == "name" and self.distance >= 0.6 and isinstance(parts[0], Token) and parts[0].kind == "geo":
            parts.reverse()
        tokens = [token for part in parts for token in self._order(part)]
        return _retag(tokens) if node.kind == "name" else tokens

    def _word(self, token: Token) -> str:
        if (token.kind, token.number) in _PUNCTUATION:
            return _PUNCTUATION[token.kind, token.number]
        word = self._lexicon[token.kind][token.number]
        threshold, affix = _AFFIXES.get(token.role, (2.0, ""))
        if self.distance >= threshold:
            word += affix
        if self.distance >= 0.95:
            word = "".join(_OTHER_SCRIPT.get(letter, letter) for letter in word.lower())
        return word.capitalize() if token.kind in NAME_CLASSES else word

    @cached_property
    def _lexicon(self) -> dict[str, list[str]]:
        lexicon = {}
        taken: set[str] = set()
        for kind, size in CLASS_SIZES.items():
            lexicon[kind] = [self._form(kind, number, taken) for number in range(size)]
        # some verbs have the form of a noun, so that the part of speech depends on context
        for number in range(0, CLASS_SIZES["verb"], 7):
            lexicon["verb"][number] = lexicon["noun"][number]
        return lexicon

    def _form(self, kind: str, number: int, taken: set[str]) -> str:
        draw = random.Random(f"own/{kind}/{number}").random()
        share = self.distance / 2 if kind in NAME_CLASSES else self.distance
        replaced = draw < share
        word = _new_word(kind, number, "target" if replaced else "source", taken)
        if not replaced:
            for letter, shifted in _SHIFTS[: round(self.distance * len(_SHIFTS))]:
                word = word.replace(letter, shifted)
        return word


def _new_word(kind: str, number: int, lexicon: str, taken: set[str]) -> str:
    rng = random.Random(f"{lexicon}/{kind}/{number}")
    syllables = 1 if kind in _FUNCTION_CLASSES else rng.choice((2, 2, 3))
    while True:
        stem = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables))
        if rng.random() < 0.4:
            stem += rng.choice("nrsl")
        if kind in _SUFFIXES and rng.random() < 0.6:
            stem += rng.choice(_SUFFIXES[kind])
        if stem not in taken:
            taken.add(stem)
            return stem
        syllables = max(2, syllables)


def _retag(tokens: list[Token]) -> list[Token]:
    """Restore BIO tags after reordering a name: B for its first entity token, I for the others."""
    fixed: list[Token] = []
    for token in tokens:
        begun = any(before.tag != "O" for before in fixed)
        prefix = "I" if begun else "B"
        fixed.append(token if token.tag == "O" else replace(token, tag=f"{prefix}-{token.tag[2:]}"))
    return fixed


def alphabet() -> list[str]:
    """Return every letter of the synthetic languages, in both scripts and cases, and the punctuation."""
    letters = [*_OTHER_SCRIPT, *_OTHER_SCRIPT.values()]
    return [*letters, *(letter.upper() for letter in letters), *_PUNCTUATION.values()]
