"""The worst predictions on test, to be read."""

from __future__ import annotations

from dataclasses import dataclass

from xltransfer.report.predictions import Predictions, TaggedPrediction, direction

HOW_MANY = 10
_MOST_WORDS, _MOST_LETTERS = 150, 1200


@dataclass(frozen=True)
class Word:
    """A word of a sentence. `shown`: its tags are worth showing, being wrong or those of an entity."""

    text: str
    gold: str
    predicted: str
    shown: bool

    @property
    def wrong(self) -> bool:
        """Whether the tag is."""
        return self.gold != self.predicted


@dataclass(frozen=True)
class Mistake:
    """A sentence or a text, the `number`th of test. A text's labels are in `gold` and `predicted`; it has no words."""

    number: int
    direction: str
    words: tuple[Word, ...] = ()
    text: str = ""
    gold: str = ""
    predicted: str = ""
    wrong: int = 1
    of: int = 1
    left_out: int = 0
    """Words, or letters, at the end that are not shown."""


def wrong_predictions(predictions: Predictions) -> int:
    """Sentences with a wrong tag, or texts with a wrong label."""
    wrong_texts = sum(one.gold != one.predicted for one in predictions.texts)
    return wrong_texts + sum(one.wrong > 0 for one in predictions.tagged)


def worst(predictions: Predictions) -> list[Mistake]:
    """Sentences with most wrong tags (of equals, the shorter first), or the longest texts with a wrong label.

    A text's label is right or wrong, no more; the longer one gave the model more to go by.
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
