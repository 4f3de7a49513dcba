"""The baseline that sees no source language."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import TARGET, Method, Trainee, gradients


class TargetOnly(Method):
    """Ordinary training on the target's sentences, for as many steps as the other methods take."""

    uses_source = False

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        """See `Method.step`."""
        loss = trainee.seeded_loss(seed + TARGET, target)
        return trainee.update({"target_loss": loss.item()}, gradients([loss], trainee.learner))
