"""Classification scores, by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

from xltransfer.tasks.base import Scores


def classification_scores(gold: Sequence[str], predicted: Sequence[str]) -> Scores:
    """Accuracy; precision, recall and F1 macro-averaged over the labels that occur in `gold`."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0
    )
    return Scores(float(f1), float(precision), float(recall), float(accuracy_score(gold, predicted)))
