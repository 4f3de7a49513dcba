"""The grammar of the synthetic languages: sentences as tokens of a concept, a part of speech and a tag.

One small grammar serves three tasks. A name can be a person, a place or part of an organisation, so its tag depends on
the context. Sentiment depends on negation, so it cannot be predicted from word counts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

CLASS_SIZES = {"noun": 260, "verb": 130, "adjective": 90, "adverb": 40, "good": 45, "bad": 45, "liking": 20,
               "disliking": 20, "speech": 14, "first": 300, "last": 400, "place": 400, "brand": 200, "title": 8,
               "geo": 10, "organisation": 16, "determiner": 6, "preposition": 10, "pronoun": 8, "conjunction": 4,
               "number": 20, "negation": 1, "copula": 2, "comma": 1, "stop": 2}  # fmt: skip
"""The number of concepts in each word class."""
NAME_CLASSES = ("first", "last", "place", "brand")
_POS = {"noun": "NOUN", "geo": "NOUN", "organisation": "NOUN", "title": "NOUN", "verb": "VERB", "speech": "VERB",
        "liking": "VERB", "disliking": "VERB", "adjective": "ADJ", "good": "ADJ", "bad": "ADJ", "adverb": "ADV",
        "first": "PROPN", "last": "PROPN", "place": "PROPN", "brand": "PROPN", "determiner": "DET",
        "preposition": "ADP", "pronoun": "PRON", "conjunction": "CCONJ", "number": "NUM", "negation": "PART",
        "copula": "AUX", "comma": "PUNCT", "stop": "PUNCT"}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A concept (class and number) in a sentence. `role` determines its case or agreement suffix."""

    kind: str
    number: int
    tag: str = "O"
    role: str = ""

    @property
    def pos(self) -> str:
        """Universal part of speech."""
        return _POS[self.kind]


@dataclass(frozen=True)
class Phrase:
    """Constituents in the order of the source language; a target language may reorder them."""

    kind: str
    parts: tuple[Phrase | Token, ...]


class Grammar:
    """Generates random phrases."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def statement(self, names: float = 0.45) -> Phrase:
        """Generate one or two clauses. `names` is the probability that a noun phrase is a name."""
        clause = self._clause(names)
        if self.rng.random() < 0.15:
            clause = Phrase("coordination", (clause, self._token("conjunction"), self._clause(names)))
        return Phrase("sentence", (clause, self._token("stop")))

    def review(self, positive: bool) -> Phrase:
        """Generate one to three judgements of one polarity, with neutral clauses in between."""
        parts: list[Phrase | Token] = []
        for index in range(self.rng.randint(1, 3)):
            if index:
                parts.append(self._token("comma"))
            if self.rng.random() < 0.3:
                parts += [self._clause(0.1), self._token("comma")]
            parts.append(self._judgement(positive))
        return Phrase("sentence", (*parts, self._token("stop")))

    def _token(self, kind: str, tag: str = "O", role: str = "") -> Token:
        size = CLASS_SIZES[kind]
        rank = int(size ** self.rng.random()) - 1 if kind not in NAME_CLASSES else self.rng.randrange(size)
        return Token(kind, rank, tag, role)

    def _clause(self, names: float) -> Phrase:
        subject = self._noun_phrase(names, "subject")
        if self.rng.random() < 0.15:
            return Phrase("clause", (subject, Phrase("verb", (self._token("copula"),)), self._adjective()))
        verb = Phrase("verb", (self._token("speech" if self.rng.random() < 0.2 else "verb", role="verb"),))
        parts: list[Phrase | Token] = [subject, verb]
        if self.rng.random() < 0.7:
            parts.append(self._noun_phrase(names, "object"))
        if self.rng.random() < 0.5:
            parts.append(self._prepositional(names))
        if self.rng.random() < 0.25:
            parts.append(self._token("adverb"))
        return Phrase("clause", tuple(parts))

    def _judgement(self, positive: bool) -> Phrase:
        negated = self.rng.random() < 0.3
        good = positive != negated
        negation = (self._token("negation"),) if negated else ()
        subject = self._noun_phrase(0.1, "subject")
        if self.rng.random() < 0.65:
            verb = Phrase("verb", (self._token("copula"), *negation))
            return Phrase("clause", (subject, verb, self._token("good" if good else "bad")))
        verb = Phrase("verb", (*negation, self._token("liking" if good else "disliking", role="verb")))
        return Phrase("clause", (subject, verb, self._noun_phrase(0.1, "object")))

    def _adjective(self) -> Token:
        return self._token(self.rng.choice(("adjective", "adjective", "good", "bad")))

    def _prepositional(self, names: float) -> Phrase:
        inner = self._name("LOC") if self.rng.random() < names else self._noun_phrase(names, "oblique")
        return Phrase("prepositional", (self._token("preposition"), inner))

    def _noun_phrase(self, names: float, role: str) -> Phrase:
        draw = self.rng.random()
        if draw < names:
            return self._name(self.rng.choice(("PER", "PER", "LOC", "ORG")))
        if draw < names + 0.1:
            return Phrase("noun", (self._token("pronoun"),))
        parts = [self._token("determiner" if self.rng.random() < 0.8 else "number")]
        if self.rng.random() < 0.4:
            parts.append(self._token("adjective"))
        return Phrase("noun", (*parts, self._token("noun", role=role)))

    def _name(self, kind: str) -> Phrase:
        draw = self.rng.random()
        if kind == "PER":
            title = (self._token("title"),) if draw < 0.25 else ()
            surname = self._token("place" if self.rng.random() < 0.15 else "last")
            name = (self._token("first"), surname) if draw < 0.75 else (surname,)
            return Phrase("name", (*title, *_entity("PER", *name)))
        if kind == "LOC":
            if draw < 0.3:
                geo, place = self._token("geo"), self._token("last" if draw < 0.1 else "place")
                return Phrase("name", _entity("LOC", geo, place))
            return Phrase("name", _entity("LOC", self._token("place")))
        if draw < 0.4:
            return Phrase("name", _entity("ORG", self._token("place"), self._token("organisation")))
        if draw < 0.7:
            return Phrase("name", _entity("ORG", self._token("organisation"), self._token("preposition"),
                                          self._token("place")))  # fmt: skip
        brand = self._token("last" if draw < 0.8 else "brand")
        return Phrase("name", _entity("ORG", brand, *((self._token("number"),) if draw > 0.92 else ())))


def _entity(kind: str, *tokens: Token) -> tuple[Token, ...]:
    return tuple(replace(token, tag=f"{'I' if index else 'B'}-{kind}") for index, token in enumerate(tokens))
