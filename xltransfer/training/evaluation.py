"""Predict with a learner, without an RTN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from xltransfer.data.batching import Collator, Encoded
from xltransfer.encoders.learner import Learner
from xltransfer.errors import UserError
from xltransfer.utils.processes import ALONE, Processes

EVALUATION_BATCH = 64


class Decoder(Protocol):
    """What `predict` makes of logits: a task's labels, or something else."""

    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> Sequence[Any]:
        """One prediction for each sentence, or piece of one, of a batch."""

    def join(self, pieces: Sequence[Any]) -> Any:
        """One prediction of those of a sentence's pieces."""


class Certainty:
    """Tells how certain a model is of a sentence: the mean probability of the likeliest label over its words."""

    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> list[tuple[float, int]]:
        """Sum and count of the probabilities. `logits` (sentences, positions, labels), or (sentences, labels)."""
        highest = logits.float().softmax(-1).amax(-1).cpu()
        if highest.dim() == 1:
            return [(value, 1) for value in highest.tolist()]
        places = [[place for place in sentence.words if place >= 0] for sentence in sentences]
        return [(row[of_words].sum().item(), len(of_words)) for row, of_words in zip(highest, places, strict=True)]

    def join(self, pieces: Sequence[tuple[float, int]]) -> float:
        """The mean; 0 for a sentence without words."""
        return sum(total for total, _ in pieces) / (sum(count for _, count in pieces) or 1)


@torch.no_grad()
def predict(
    learner: Learner,
    task: Decoder,
    encoded: Sequence[Encoded],
    labels: Sequence[str],
    collate: Collator,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    before_batch: Callable[[], object] = lambda: None,
    processes: Processes = ALONE,
) -> list[Any]:
    """Predict every sentence, in order; pieces of one sentence are joined. Batches are sorted by length.

    `before_batch` is called before each batch and may raise to stop. With several `processes`, batches are distributed
    among them and every process receives all predictions. Raises UserError for outputs that are not finite.
    """
    was_training = learner.training
    learner.eval()
    device = next(learner.parameters()).device
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].features["input_ids"]))
    predicted: list[tuple[int, Any]] = []
    first, step = EVALUATION_BATCH * processes.number, EVALUATION_BATCH * processes.count
    for start in range(first, len(order), step):
        before_batch()
        rows = order[start : start + EVALUATION_BATCH]
        sentences = [encoded[row] for row in rows]
        inputs = collate(sentences).to(device).inputs
        with autocast():
            logits = learner(inputs)
        _require_finite(logits, inputs["attention_mask"])
        predicted += zip(rows, task.decode(logits, sentences, labels), strict=True)
    learner.train(was_training)
    predictions = dict(processes.gathered(predicted))
    return _join_pieces(task, encoded, [predictions[row] for row in range(len(encoded))])


def _require_finite(logits: Tensor, mask: Tensor) -> None:
    """Raise UserError for NaN or infinite logits, whose argmax would be a label like any other. Ignore padding."""
    if not torch.isfinite(logits[mask.bool()] if logits.dim() == 3 else logits).all():
        raise UserError(
            "model: its outputs are NaN or infinite, so it cannot predict. Its parameters are damaged, or "
            "training diverged in its last steps: train again with a lower --lr, or in --precision fp32."
        )


def _join_pieces(task: Decoder, encoded: Sequence[Encoded], predictions: Sequence[Any]) -> list[Any]:
    pieces: list[list[Any]] = []
    for one, prediction in zip(encoded, predictions, strict=True):
        if one.continues:
            pieces[-1].append(prediction)
        else:
            pieces.append([prediction])
    return [task.join(group) for group in pieces]
