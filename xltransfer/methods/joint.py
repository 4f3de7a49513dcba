"""Joint training: the baseline that MetaXL must beat."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Sums, Trainee, gradients


class Joint(Method):
    """θ by the sum of the source and the target loss (each a mean over its batch)."""

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        return joint_step(trainee, source, target, seed)


def joint_step(
    trainee: Trainee, source: Batch, target: Batch, seed: int, through_rtn: bool = False
) -> dict[str, float]:
    """One update of θ, the source pass `through_rtn` or plain; φ and its schedule stay as they are.

    Returns and raises what `Method.step` does.
    """
    sums = Sums()
    for of_source, of_target in zip(trainee.pieces(source), trainee.pieces(target), strict=True):
        rtn = trainee.rtn_for(of_source.batch) if through_rtn else None
        source_loss = trainee.piece_loss(of_source, seed + SOURCE, rtn)
        target_loss = trainee.piece_loss(of_target, seed + TARGET)
        losses = {"source_loss": source_loss, "target_loss": target_loss}
        sums.add(losses, gradients([source_loss, target_loss], trainee.learner))
    figures, found = sums.total(trainee.processes)
    return trainee.update(figures, *found)
