"""Baseline: train on the target language only."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import TARGET, Method, Sums, Trainee, gradients


class TargetOnly(Method):
    """Trains on the target sentences for as many steps as the other methods take."""

    uses_source = False

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        sums = Sums()
        for piece in trainee.pieces(target):
            loss = trainee.piece_loss(piece, seed + TARGET)
            sums.add({"target_loss": loss}, gradients([loss], trainee.learner))
        figures, found = sums.total(trainee.processes)
        return trainee.update(figures, *found)
