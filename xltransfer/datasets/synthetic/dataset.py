"""The built-in dataset: NER, sentiment and part-of-speech data in synthetic languages, generated offline."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, repeat
from typing import Annotated

from xltransfer.data.examples import Example, LabelledText, TaggedSentence, content
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.datasets.synthetic.grammar import Grammar, Phrase
from xltransfer.datasets.synthetic.language import Language, language_at
from xltransfer.errors import DataError, unknown
from xltransfer.registry import Bounds
from xltransfer.tasks.base import Task
from xltransfer.tasks.classification import Classification, Pair
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS

DISTANCES = {"base": 0.0, "near": 0.2, "mid": 0.45, "far": 0.7, "remote": 1.0}
_DISTANCE_NAME = re.compile(r"^d(\d{2})$")

SIZES = Bounds(1, 10**6)


class Synthetic(Dataset):
    """Source `base`; targets `near`, `mid`, `far`, `remote`, or any distance from `d00` to `d99` (in hundredths)."""

    default_source = ("base",)
    default_target = "far"

    def __init__(
        self,
        *,
        train: Annotated[int, "training sentences of each language", SIZES] = 5000,
        dev: Annotated[int, "dev sentences", SIZES] = 300,
        test: Annotated[int, "test sentences", SIZES] = 600,
        seed: Annotated[int, "of the sentences; the languages themselves are fixed"] = 0,
    ) -> None:
        self.sizes = dict(zip(SPLITS, (train, dev, test), strict=True))
        self.seed = seed

    def languages(self) -> list[str]:
        return [*DISTANCES, "dNN"]

    def load(self, task: Task, language: str, split: str) -> list[Example]:
        """See `Dataset.load`. Each language and split has its own random sentences, all distinct."""
        if not isinstance(task, NER | POS | Classification):
            allowed = "ner, pos, classification, sentiment, pair"
            raise DataError(f"data: synthetic has no labels for {type(task).__name__}; allowed: {allowed}.")
        generator = language_at(self.distance(language))
        rng = random.Random(f"{self.seed}/{task.kind}/{language}/{split}")
        prefix = f"{language}.{split}"
        drawn = _distinct(_example(task, prefix, generator, rng) for _ in repeat(None))
        own = islice((example for example in drawn if _split_of(example) == split), self.sizes[split])
        return task.prepare([replace(example, id=f"{prefix}:{number}") for number, example in enumerate(own, 1)])

    def distance(self, language: str) -> float:
        """Return a language's distance from the source, from 0 to 1. Raises DataError."""
        if match := _DISTANCE_NAME.match(language):
            return int(match.group(1)) / 100
        if language not in DISTANCES:
            raise DataError(unknown("synthetic language", language, self.languages()))
        return DISTANCES[language]


def _distinct(examples: Iterator[Example]) -> Iterator[Example]:
    """Drop repeated sentences. The languages have far more sentences than are requested."""
    seen: set[str] = set()
    for example in examples:
        if (text := content(example)) not in seen:
            seen.add(text)
            yield example


def _split_of(example: Example) -> str:
    """Assign a sentence to a split by a hash of its words: half to train, a quarter to dev, a quarter to test."""
    return ("train", "train", "dev", "test")[zlib.crc32(content(example).encode()) % 4]


def _example(task: Task, id: str, language: Language, rng: random.Random) -> Example:
    grammar = Grammar(rng)
    if isinstance(task, Classification):
        positive = rng.random() < 0.5
        text, label = _text(language, grammar.review(positive)), "positive" if positive else "negative"
        if isinstance(task, Pair):  # what the second text thinks, whatever the first says
            return LabelledText(id, _text(language, grammar.statement()), label, second=text)
        return LabelledText(id, text, label)
    words, tokens = language.render(grammar.statement())
    return TaggedSentence(id, tuple(words), tuple(t.tag if isinstance(task, NER) else t.pos for t in tokens))


def _text(language: Language, sentence: Phrase) -> str:
    return " ".join(language.render(sentence)[0])


def plain_text(language: str, lines: int, seed: str) -> list[str]:
    """Generate unlabelled lines of a synthetic language for pretraining: statements and reviews in equal parts."""
    rng = random.Random(f"{seed}/{language}")
    generator, grammar = language_at(Synthetic().distance(language)), Grammar(rng)
    drawn = (grammar.review(rng.random() < 0.5) if n % 2 else grammar.statement() for n in range(lines))
    return [" ".join(generator.render(sentence)[0]) for sentence in drawn]
