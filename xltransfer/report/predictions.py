"""Read the predictions on the test split.

Their kind is recognised from the file: a report does not load the task, which may be code of a plugin.
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
    """A sentence with a gold and a predicted tag for each word."""

    words: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]

    @property
    def wrong(self) -> int:
        """The number of wrong tags."""
        return sum(gold != predicted for gold, predicted in zip(self.gold, self.predicted, strict=True))


@dataclass(frozen=True)
class TextPrediction:
    """A text with its gold and predicted label."""

    text: str
    gold: str
    predicted: str


@dataclass(frozen=True)
class Predictions:
    """The predictions of one run: `tagged` sentences or `texts`; the other is empty."""

    tagged: tuple[TaggedPrediction, ...] = ()
    texts: tuple[TextPrediction, ...] = ()

    def __len__(self) -> int:
        return len(self.tagged) + len(self.texts)

    @property
    def entities(self) -> bool:
        """Whether the tags are entity tags in BIO."""
        tags = {tag for one in self.tagged for tag in (*one.gold, *one.predicted)}
        return bool(tags) and all(map(_BIO.match, tags))

    @property
    def gold(self) -> tuple[object, ...]:
        """Words or texts with their gold labels; equal for runs scored on the same test split."""
        return (*((one.words, one.gold) for one in self.tagged), *((one.text, one.gold) for one in self.texts))

    def labels(self) -> tuple[list[str], list[str]]:
        """Return the gold and the predicted labels of all words or texts."""
        if self.texts:
            return [one.gold for one in self.texts], [one.predicted for one in self.texts]
        return [tag for one in self.tagged for tag in one.gold], [tag for one in self.tagged for tag in one.predicted]


def read_predictions(file: Path) -> Predictions:
    """Read `predictions.test.tsv`: a word a line and an empty line after each sentence, or a text a line.

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
    """Return `rtl` or `ltr`, the direction of most letters by their Unicode bidirectional class."""
    classes = [unicodedata.bidirectional(letter) for letter in text]
    return "rtl" if 2 * sum(one in ("R", "AL") for one in classes) > sum(one in ("L", "R", "AL") for one in classes) \
        else "ltr"  # fmt: skip
