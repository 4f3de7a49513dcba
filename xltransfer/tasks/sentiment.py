"""Text classification: binary sentiment from stars or polarities, or any labels of the files."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from torch import Tensor

from xltransfer.data.batching import IGNORED, Encoded
from xltransfer.data.examples import Example, LabelledText
from xltransfer.errors import DataError
from xltransfer.tasks.base import Scores, Task, classification_scores, cross_entropies, cross_entropy

_NEUTRAL = {"stars": 3.0, "polarity": 0.0, "binary": 0.5}
_NAMES = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
          "neu": None, "neutral": None}  # fmt: skip


class Sentiment(Task):
    """Text classification on the encoder's own classification head."""

    kind = "text"
    metric = "f1"
    auto_class = "AutoModelForSequenceClassification"

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
        texts = [_text(example) for example in examples]
        if self.labels == "all":
            return list(texts)
        labelled = ((text, _binary(text)) for text in texts)
        return [dataclasses.replace(text, label=label, scale="name") for text, label in labelled if label]

    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """The labels found, sorted."""
        return sorted({_text(example).label for example in examples})

    def encode(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> list[Encoded]:
        """See `Task.encode`; `words` holds -1 where the text was cut."""
        if not examples:
            return []
        texts = [_text(example) for example in examples]
        encoding = tokenizer([text.text for text in texts], truncation=True, max_length=max_length,
                             return_attention_mask=True)  # fmt: skip
        ids = {label: index for index, label in enumerate(labels)}
        encoded = []
        for row, text in enumerate(texts):
            features = {name: column[row] for name, column in encoding.items()}
            cut = bool(encoding.encodings[row].overflowing)
            encoded.append(Encoded(features, ids.get(text.label, IGNORED), (-1,) if cut else ()))
        return encoded

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Task.loss`: the mean over texts."""
        return cross_entropy(logits, labels)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Task.losses`: (batch,)."""
        return cross_entropies(logits, labels)

    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> list[str]:
        return [labels[index] for index in logits.argmax(-1).tolist()]

    def gold(self, examples: Sequence[Example]) -> list[str]:
        return [_text(example).label for example in examples]

    def score(self, gold: Sequence[str], predicted: Sequence[str]) -> Scores:
        """Accuracy; precision, recall and F1 macro-averaged over the gold labels."""
        return classification_scores(gold, predicted)

    def majority(self, train: Sequence[Example], test: Sequence[Example]) -> list[str]:
        counts = Counter(_text(example).label for example in train)
        return [min(counts, key=lambda label: (-counts[label], label))] * len(test)


def _text(example: Example) -> LabelledText:
    assert isinstance(example, LabelledText)
    return example


def _binary(text: LabelledText) -> str | None:
    """positive, negative, or None for the neutral. Raises DataError."""
    if text.scale == "name":
        if text.label.lower() not in _NAMES:
            raise DataError(
                f"{text.id}: label {text.label[:60]!r} is neither positive nor negative; allowed: {', '.join(_NAMES)}, "
                "stars 1-5, a polarity, 0 and 1. For other labels: --task-opt labels=all."
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
