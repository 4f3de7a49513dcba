"""Predictions on test, read with the words they belong to; what they are of is seen from the file itself.

So no task is loaded for a report: a run folder may name one that is somebody else's code.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from xltransfer.errors import ConfigError

_BIO = re.compile(r"^(O|[BI]-\S+)$")


@dataclass(frozen=True)
class TaggedPrediction:
    """A sentence: a gold and a predicted tag for each word."""

    words: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]

    @property
    def wrong(self) -> int:
        """How many tags are wrong."""
        return sum(gold != predicted for gold, predicted in zip(self.gold, self.predicted, strict=True))


@dataclass(frozen=True)
class TextPrediction:
    """A text and its labels."""

    text: str
    gold: str
    predicted: str


@dataclass(frozen=True)
class Predictions:
    """Those of one run on test: `tagged` sentences or `texts`, the other is empty."""

    tagged: tuple[TaggedPrediction, ...] = ()
    texts: tuple[TextPrediction, ...] = ()

    def __len__(self) -> int:
        return len(self.tagged) + len(self.texts)

    @property
    def entities(self) -> bool:
        """Whether the tags are those of entities, in BIO."""
        tags = {tag for one in self.tagged for tag in (*one.gold, *one.predicted)}
        return bool(tags) and all(map(_BIO.match, tags))

    @property
    def gold(self) -> tuple[object, ...]:
        """What two runs that were scored on the same test have in common."""
        return (*((one.words, one.gold) for one in self.tagged), *((one.text, one.gold) for one in self.texts))

    def labels(self) -> tuple[list[str], list[str]]:
        """Gold and predicted of every word or text, one after the other."""
        if self.texts:
            return [one.gold for one in self.texts], [one.predicted for one in self.texts]
        return [tag for one in self.tagged for tag in one.gold], [tag for one in self.tagged for tag in one.predicted]


def read_predictions(file: Path) -> Predictions:
    """`predictions.test.tsv`: a word a line and an empty line after each sentence, or a text a line.

    Raises ConfigError.
    """
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"run: {str(file)!r} cannot be read: {error}."]) from error
    rows = [tuple(line.rsplit("\t", 2)) if line else () for line in lines]
    for number, row in enumerate(rows, 1):
        if len(row) not in (0, 3):
            raise ConfigError([f"run: {str(file)!r}, line {number}, is not as it was written: {len(row)} columns, not "
                               "3. Train the run again."])  # fmt: skip
    if all(rows):
        return Predictions(texts=tuple(TextPrediction(*row) for row in rows))
    sentences = (list(group) for some, group in groupby(rows, key=bool) if some)
    return Predictions(tagged=tuple(TaggedPrediction(*zip(*sentence, strict=True)) for sentence in sentences))


def direction(text: str) -> str:
    """rtl or ltr: that of most letters, by their Unicode bidirectional class. A first foreign word decides nothing."""
    classes = [unicodedata.bidirectional(letter) for letter in text]
    return "rtl" if 2 * sum(one in ("R", "AL") for one in classes) > sum(one in ("L", "R", "AL") for one in classes) \
        else "ltr"  # fmt: skip
