"""Select the worst predictions on the test split."""

from __future__ import annotations

from dataclasses import dataclass

from xltransfer.report.predictions import Predictions, TaggedPrediction, direction

HOW_MANY = 10
_MOST_WORDS, _MOST_LETTERS = 150, 1200


@dataclass(frozen=True)
class Word:
    """A word of a sentence; `shown` is true where its tags are wrong or those of an entity."""

    text: str
    gold: str
    predicted: str
    shown: bool

    @property
    def wrong(self) -> bool:
        """Whether the predicted tag is wrong."""
        return self.gold != self.predicted


@dataclass(frozen=True)
class Mistake:
    """A sentence with its words, or a text with its gold and predicted label; `number` is its place in test."""

    number: int
    direction: str
    words: tuple[Word, ...] = ()
    text: str = ""
    gold: str = ""
    predicted: str = ""
    wrong: int = 1
    of: int = 1
    left_out: int = 0
    """Words or letters at the end that are not shown."""


def count_wrong(predictions: Predictions) -> int:
    """Count the sentences with a wrong tag, or the texts with a wrong label."""
    wrong_texts = sum(one.gold != one.predicted for one in predictions.texts)
    return wrong_texts + sum(one.wrong > 0 for one in predictions.tagged)


def worst_predictions(predictions: Predictions) -> list[Mistake]:
    """Return the sentences with most wrong tags (the shorter first among equals), or the longest wrong texts.

    A text has one label, right or wrong; a longer text gave the model more evidence.
    """
    if predictions.texts:
        wrong = [(number, one) for number, one in enumerate(predictions.texts, 1) if one.gold != one.predicted]
        wrong.sort(key=lambda found: (-len(found[1].text), found[0]))
        return [
            Mistake(number, direction(one.text), text=one.text[:_MOST_LETTERS], gold=one.gold, predicted=one.predicted,
                    left_out=max(0, len(one.text) - _MOST_LETTERS))
            for number, one in wrong[:HOW_MANY]
        ]  # fmt: skip
    sentences = [(number, one) for number, one in enumerate(predictions.tagged, 1) if one.wrong]
    sentences.sort(key=lambda found: (-found[1].wrong, len(found[1].words), found[0]))
    return [_tagged(number, one, predictions.entities) for number, one in sentences[:HOW_MANY]]


def _tagged(number: int, one: TaggedPrediction, entities: bool) -> Mistake:
    words = tuple(
        Word(word, gold, predicted, gold != predicted or (entities and gold != "O"))
        for word, gold, predicted in zip(one.words, one.gold, one.predicted, strict=True)
    )
    return Mistake(
        number, direction(" ".join(one.words)), words[:_MOST_WORDS], wrong=one.wrong, of=len(words),
        left_out=max(0, len(words) - _MOST_WORDS),
    )  # fmt: skip
