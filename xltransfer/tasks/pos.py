"""Part-of-speech tagging."""

from __future__ import annotations

from collections.abc import Sequence

from xltransfer.data.examples import Example
from xltransfer.tasks.base import Scores, classification_scores
from xltransfer.tasks.tagging import Tagging


class POS(Tagging):
    """One part of speech a word; words cut off count as wrong."""

    metric = "accuracy"
    tags_of_what = "words"
    cut_tag = "_"

    def check_label(self, label: str) -> str | None:
        return f"tag {label!r} is not a part of speech; give a tag, such as NOUN." if label == "_" else None

    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """The tags found, sorted."""
        return self.tags_of(examples)

    def score(self, gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> Scores:
        """Accuracy over words; precision, recall and F1 macro-averaged over the gold tags."""
        return classification_scores([t for s in gold for t in s], [t for s in predicted for t in s])
