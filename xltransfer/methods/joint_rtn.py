"""Joint training with an RTN trained by the ordinary gradient: the ablation that isolates the meta-gradient."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Sums, Trainee, gradients
from xltransfer.rtns.changes import Changes


class JointRTN(Method):
    """Like MetaXL (residual, stop-gradient, loss scale, clipping) except for φ's gradient."""

    uses_rtn = True
    trains_weights = False

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        sums = Sums()
        for of_source, of_target in zip(trainee.pieces(source), trainee.pieces(target), strict=True):
            changes = Changes(trainee.rtn_for(of_source.batch))
            source_loss = trainee.piece_loss(of_source, seed + SOURCE, changes)
            target_loss = trainee.piece_loss(of_target, seed + TARGET)
            with changes.followed():
                phi = gradients([source_loss], trainee.rtn, keep=True)
            theta = gradients([source_loss, target_loss], trainee.learner)
            sums.add({"source_loss": source_loss, "target_loss": target_loss}, theta, phi)
        figures, found = sums.total(trainee.processes)
        return trainee.update(figures, *found)
