"""Text classification with any labels, of single texts or of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from xltransfer.data.batching import IGNORED, Encoded
from xltransfer.data.examples import Example, LabelledText
from xltransfer.errors import DataError
from xltransfer.tasks.base import Scores, Task, classification_scores, cross_entropies, cross_entropy


class Classification(Task):
    """Single texts with any labels, on the encoder's own classification head."""

    kind = "text"
    metric = "f1"
    auto_class = "AutoModelForSequenceClassification"

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """The texts as they are. Raises DataError for pairs."""
        for example in examples:
            if as_text(example).second is not None:
                raise DataError(
                    f"{example.id}: a pair of texts, where single ones are needed; for pairs: --task pair; to read one "
                    "text of the two: --data-opt columns=label,text,_ for example."
                )
        return list(examples)

    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """The labels found, sorted."""
        return sorted({as_text(example).label for example in examples})

    def encode(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> list[Encoded]:
        """See `Task.encode`; `words` holds -1 where the text was cut. Of a pair, the longer text is cut."""
        if not examples:
            return []
        texts = [as_text(example) for example in examples]
        seconds = [text.second for text in texts]
        encoding = tokenizer([text.text for text in texts], None if seconds[0] is None else seconds, truncation=True,
                             max_length=max_length, return_attention_mask=True)  # fmt: skip
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
        return [as_text(example).label for example in examples]

    def score(self, gold: Sequence[str], predicted: Sequence[str]) -> Scores:
        """Accuracy; precision, recall and F1 macro-averaged over the gold labels."""
        return classification_scores(gold, predicted)

    def majority(self, train: Sequence[Example], test: Sequence[Example]) -> list[str]:
        counts = Counter(as_text(example).label for example in train)
        return [min(counts, key=lambda label: (-counts[label], label))] * len(test)


class Pair(Classification):
    """Pairs of texts with any labels, such as a premise and a hypothesis; the encoder reads them as one input."""

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """The pairs as they are. Raises DataError for single texts."""
        for example in examples:
            if as_text(example).second is None:
                raise DataError(
                    f"{example.id}: a single text, where a pair is needed (columns premise and hypothesis, or "
                    "sentence1 and sentence2, ...); for single texts: --task classification."
                )
        return list(examples)


def as_text(example: Example) -> LabelledText:
    """The example, which is a text."""
    assert isinstance(example, LabelledText)
    return example
