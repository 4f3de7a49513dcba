"""Score predictions by label, and count which labels are confused."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass

from xltransfer.report.predictions import Predictions

_MOST = 24
"""Most labels of a confusion matrix; further, rarer ones are merged into one."""
OTHER = "other labels"


@dataclass(frozen=True)
class LabelScore:
    """The scores of one entity type or label, as shares, and its count in the gold data."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: `counts[gold][predicted]`, in the order of `labels`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, gold: int, predicted: int) -> float:
        """Return the share of the words or texts with one gold label that have this prediction."""
        total = sum(self.counts[gold])
        return self.counts[gold][predicted] / total if total else 0.0


def label_scores(predictions: Predictions) -> list[LabelScore]:
    """Score each entity type as seqeval does, or each label; labels that are only predicted are included."""
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
    with warnings.catch_warnings():  # about a score that is 0 because nothing is predicted
        warnings.simplefilter("ignore")
        found = classification_report(gold, predicted, output_dict=True, zero_division=0)
    return [
        LabelScore(name, float(one["precision"]), float(one["recall"]), float(one["f1-score"]), int(one["support"]))
        for name, one in found.items()
        if not name.endswith(" avg")
    ]


def confusion(predictions: Predictions) -> Confusion:
    """Return the confusion matrix of labels or tags; the rarest in the gold data are merged."""
    gold, predicted = predictions.labels()
    counts = Counter(gold)
    names = sorted({*gold, *predicted})
    if len(names) > _MOST:
        kept = {name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[: _MOST - 1]}
        gold, predicted = ([name if name in kept else OTHER for name in column] for column in (gold, predicted))
        names = [*sorted(kept), OTHER]
    pairs = Counter(zip(gold, predicted, strict=True))
    return Confusion(tuple(names), tuple(tuple(pairs[row, column] for column in names) for row in names))
