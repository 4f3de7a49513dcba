"""Named entities in BIO tags, scored by entity F1 as seqeval (and so conlleval) counts it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from xltransfer.data.examples import Example
from xltransfer.tasks.base import Scores
from xltransfer.tasks.tagging import Tagging

_BIO = re.compile(r"^(O|[BI]-\S+)$")


class NER(Tagging):
    """Entity recognition; words cut off count as O."""

    metric = "f1"
    tags_of_what = "entities"
    cut_tag = "O"

    def check_label(self, label: str) -> str | None:
        if _BIO.match(label):
            return None
        return f"tag {label[:60]!r} is outside BIO; allowed: O, B-TYPE, I-TYPE."

    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """O, then B and I of every entity type found."""
        types = sorted({tag[2:] for tag in self.tags_of(examples) if tag != "O"})
        return ["O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]

    def score(self, gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> Scores:
        """Entity precision, recall and F1, micro-averaged; accuracy over words."""
        from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

        with warnings.catch_warnings():  # seqeval warns where nothing is predicted; the score is 0 then
            warnings.simplefilter("ignore")
            scores = [measure(gold, predicted) for measure in (f1_score, precision_score, recall_score, accuracy_score)]
        return Scores(*map(float, scores))
