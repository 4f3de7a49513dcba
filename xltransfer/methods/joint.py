"""Joint training: the baseline that MetaXL must beat."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Trainee, gradients


class Joint(Method):
    """θ by the sum of the source and the target loss (each a mean over its batch)."""

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        """See `Method.step`."""
        source_loss = trainee.seeded_loss(seed + SOURCE, source)
        target_loss = trainee.seeded_loss(seed + TARGET, target)
        losses = {"source_loss": source_loss.item(), "target_loss": target_loss.item()}
        return trainee.update(losses, gradients([source_loss, target_loss], trainee.learner))
