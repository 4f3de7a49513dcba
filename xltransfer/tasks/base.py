"""The contract of a task: labels, encoding, loss, prediction and score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from xltransfer.data.batching import IGNORED, Encoded
from xltransfer.data.examples import Example


@dataclass(frozen=True)
class Scores:
    """Shares between 0 and 1."""

    f1: float
    precision: float
    recall: float
    accuracy: float

    def to_dict(self) -> dict[str, float]:
        """For metrics.json."""
        return asdict(self)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over labels other than IGNORED, in at least fp32."""
    return F.cross_entropy(wide(logits), labels, ignore_index=IGNORED)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each label, in the shape of `labels` (...), 0 at IGNORED; `logits` (..., labels)."""
    flat = F.cross_entropy(wide(logits).flatten(0, -2), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return flat.view(labels.shape)


def wide(logits: Tensor) -> Tensor:
    """Logits in at least fp32, for losses."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


class Task(ABC):
    """Base class of tasks. Options are keyword parameters of the constructor."""

    kind: ClassVar[Literal["tagging", "text"]]
    metric: ClassVar[Literal["f1", "accuracy"]]
    """The score by which dev chooses the epoch."""
    auto_class: ClassVar[str]
    """The class of transformers that holds encoder and head."""

    def check_label(self, label: str) -> str | None:
        """Return an error message for an invalid label, or None."""
        return None

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """Convert examples to this task's labels; drops those without one."""
        return list(examples)

    @abstractmethod
    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """List the labels of a set, in a fixed order."""

    @abstractmethod
    def encode(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> list[Encoded]:
        """Tokenise and map labels to positions in `labels`; unknown labels are ignored in losses.

        In the order of `examples`; one that is too long may be in several pieces, marked as such (`Encoded.continues`).
        """

    @abstractmethod
    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy, a scalar. `logits` (..., labels), `labels` (...).

        A mean over the labels that are not IGNORED, so that pieces of a batch can be weighted by their number.
        """

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each label, in the shape of `labels`, 0 where that is IGNORED; `loss` is their mean over labels.

        For an RTN that weighs losses; other RTNs do without.
        """
        raise NotImplementedError(f"{type(self).__name__} has no losses(logits, labels).")

    @property
    def has_losses(self) -> bool:
        """Whether `losses` is defined by the same class as `loss`, and so matches it."""
        owners = [next(kind for kind in type(self).__mro__ if name in vars(kind)) for name in ("loss", "losses")]
        return owners[0] is owners[1]

    @abstractmethod
    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> list[Any]:
        """Predict each sentence of a batch: a list of tags, or a label."""

    def join(self, pieces: Sequence[Any]) -> Any:
        """Join the predictions for the pieces of a sentence."""
        return pieces[0]

    @abstractmethod
    def gold(self, examples: Sequence[Example]) -> list[Any]:
        """The gold labels, in the form of `decode`."""

    @abstractmethod
    def score(self, gold: Sequence[Any], predicted: Sequence[Any]) -> Scores:
        """Compare predictions with gold labels."""

    @abstractmethod
    def majority(self, train: Sequence[Example], test: Sequence[Example]) -> list[Any]:
        """Predict the most frequent label of `train` everywhere: the majority baseline."""


def classification_scores(gold: Sequence[str], predicted: Sequence[str]) -> Scores:
    """Accuracy; precision, recall and F1 macro-averaged over the labels that occur in `gold`."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, predicted, labels=sorted(set(gold)), average="macro", zero_division=0
    )
    return Scores(float(f1), float(precision), float(recall), float(accuracy_score(gold, predicted)))
