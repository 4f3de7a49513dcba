"""Weights of source sentences under an RTN that weighs source losses (`RTN.weights`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xltransfer.analysis.vectors import BATCH
from xltransfer.data.batching import IGNORED, Batch, Collator
from xltransfer.data.examples import content
from xltransfer.methods.base import task_source_loss
from xltransfer.rtns.changes import Changes
from xltransfer.training.preparation import EncodedSet, PreparedRun

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN = 5
"""Sentences listed at each end of the weights."""


class _WeightRecorder(Changes):
    """Records the weights of each pass, in order."""

    def __init__(self, run: PreparedRun, batch: Batch) -> None:
        super().__init__(run.rtn.for_batch(batch.languages))
        self.passes: list[Tensor] = []

    def weights_for(self, losses: Tensor, labelled: Tensor) -> Tensor:
        self.passes.append(super().weights_for(losses, labelled))
        return self.passes[-1]


@torch.no_grad()
def sentence_weights(run: PreparedRun, part: EncodedSet) -> Tensor:
    """Compute each sentence's mean weight over its labels, without dropout: (sentences,); NaN without labels.

    Of an RTN that mixes passes, the mean over passes in the proportions of the mixture.
    """
    collate, found, was_training = Collator(run.encoder.padding, run.config.pad_to), [], run.learner.training
    run.learner.eval()
    run.rtn.eval()
    for start in range(0, len(part.encoded), BATCH):
        batch = collate(part.encoded[start : start + BATCH]).to(run.device)
        recorder = _WeightRecorder(run, batch)
        with run.autocast():
            task_source_loss(run.task, run.learner, batch, recorder)
        shares = run.rtn.mix()
        weights = torch.stack(recorder.passes).double()
        mixed = weights[0] if shares is None else torch.tensordot(shares.double(), weights, 1)
        by_label, labelled = mixed.view(len(batch), -1), (batch.labels != IGNORED).view(len(batch), -1)
        found.append(((by_label * labelled).sum(1) / labelled.sum(1)).cpu())
    run.learner.train(was_training)
    return torch.cat(found)


def summary(weights: Tensor, part: EncodedSet) -> dict[str, Any]:
    """Summarise the weights for JSON: mean, quantiles, and the sentences with the largest and smallest."""
    rows = weights.isfinite().nonzero().flatten()
    order = rows[weights[rows].argsort(descending=True, stable=True)].tolist()
    return {
        "mean": weights[rows].mean().item(),
        "quantiles": {f"{share:g}": weights[rows].quantile(share).item() for share in QUANTILES},
        "most": _named(order[:SHOWN], weights, part),
        "least": _named(order[::-1][:SHOWN], weights, part),
    }


def _named(rows: Sequence[int], weights: Tensor, part: EncodedSet) -> list[dict[str, Any]]:
    return [{"weight": weights[row].item(), "sentence": content(part.examples[row])} for row in rows]
