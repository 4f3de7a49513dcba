"""Where predictions are right and wrong, by label: scores of each, and what is taken for what."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

from xltransfer.report.predictions import Predictions

_MOST = 24
"""Labels of a confusion matrix; of more, the rarest are one."""
OTHER = "other labels"


@dataclass(frozen=True)
class LabelScore:
    """Of one entity type or label: shares, and how many there are in the gold data."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """`counts[gold][predicted]`, in the order of `labels`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, gold: int, predicted: int) -> float:
        """Of the words or texts with a gold label, those predicted so."""
        total = sum(self.counts[gold])
        return self.counts[gold][predicted] / total if total else 0.0


def label_scores(predictions: Predictions) -> list[LabelScore]:
    """Entity types as seqeval counts them, else labels; those of the gold data and those only predicted."""
    if predictions.entities:
        return _entity_scores(predictions)
    from sklearn.metrics import precision_recall_fscore_support

    gold, predicted = predictions.labels()
    labels = sorted({*gold, *predicted})
    columns = precision_recall_fscore_support(gold, predicted, labels=labels, average=None, zero_division=0)
    rows = zip(labels, *columns, strict=True)
    return [LabelScore(label, float(p), float(r), float(f), int(n)) for label, p, r, f, n in rows]


def _entity_scores(predictions: Predictions) -> list[LabelScore]:
    from seqeval.metrics import classification_report

    gold, predicted = ([list(tags) for tags in column] for column in zip(
        *((one.gold, one.predicted) for one in predictions.tagged), strict=True))  # fmt: skip
    if all(tag == "O" for sentence in (*gold, *predicted) for tag in sentence):
        return []
    with warnings.catch_warnings():  # where nothing is predicted; the score is 0 then
        warnings.simplefilter("ignore")
        found = classification_report(gold, predicted, output_dict=True, zero_division=0)
    return [
        LabelScore(name, float(one["precision"]), float(one["recall"]), float(one["f1-score"]), int(one["support"]))
        for name, one in found.items()
        if not name.endswith(" avg")
    ]


def confusion(predictions: Predictions) -> Confusion:
    """Of labels or tags; the most frequent in the gold data come first where not all are shown."""
    gold, predicted = predictions.labels()
    counts = Counter(gold)
    names = sorted({*gold, *predicted})
    if len(names) > _MOST:
        kept = {name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[: _MOST - 1]}
        gold, predicted = ([name if name in kept else OTHER for name in column] for column in (gold, predicted))
        names = [*sorted(kept), OTHER]
    pairs = Counter(zip(gold, predicted, strict=True))
    return Confusion(tuple(names), tuple(tuple(pairs[row, column] for column in names) for row in names))
