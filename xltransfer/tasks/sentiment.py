"""Binary sentiment from stars, polarities or names, or any labels of the files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated, Literal

from xltransfer.data.examples import Example, LabelledText
from xltransfer.errors import DataError
from xltransfer.tasks.classification import Classification, as_text

_NEUTRAL = {"stars": 3.0, "polarity": 0.0, "binary": 0.5}
_NAMES = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
          "neu": None, "neutral": None}  # fmt: skip


class Sentiment(Classification):
    """Text classification into negative and positive."""

    def __init__(
        self,
        *,
        labels: Annotated[
            Literal["binary", "all"], "binary: negative and positive, the neutral left out; all: labels as they stand"
        ] = "binary",
    ) -> None:
        self.labels = labels

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """Binary labels: 1-2 stars negative, 4-5 positive; the sign of a polarity; 0 and 1. Raises DataError."""
        texts = [as_text(example) for example in super().prepare(examples)]
        if self.labels == "all":
            return list(texts)
        labelled = ((text, _binary(text)) for text in texts)
        return [dataclasses.replace(text, label=label, scale="name") for text, label in labelled if label]


def _binary(text: LabelledText) -> str | None:
    """positive, negative, or None for the neutral. Raises DataError."""
    if text.scale == "name":
        if text.label.lower() not in _NAMES:
            numbers = " If the numbers are stars or a polarity: --data-opt scale=stars or scale=polarity."
            raise DataError(
                f"{text.id}: label {text.label[:60]!r} is neither positive nor negative; allowed: {', '.join(_NAMES)}, "
                "a column of stars or of a polarity, 0 and 1. For other labels: --task classification, or "
                "--task-opt labels=all."
                f"{numbers if text.label.isdigit() else ''}"
            )
        return _NAMES[text.label.lower()]
    try:
        value = float(text.label)
    except ValueError as error:
        raise DataError(f"{text.id}: label {text.label[:60]!r} is not a number ({text.scale}).") from error
    if not math.isfinite(value) or (text.scale == "stars" and not 1 <= value <= 5):
        allowed = "1 to 5 stars" if text.scale == "stars" else "a finite number"
        raise DataError(f"{text.id}: label {text.label[:60]!r} is outside its scale; allowed: {allowed}.")
    middle = _NEUTRAL[text.scale]
    return None if value == middle else "positive" if value > middle else "negative"
