"""Joint training with an RTN trained by the ordinary gradient: the ablation that isolates the meta-gradient."""

from __future__ import annotations

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Trainee, gradients
from xltransfer.rtns.changes import Changes


class JointRTN(Method):
    """Matched with MetaXL: same residual, stop-gradient, loss scale and clipping; only φ's gradient differs."""

    uses_rtn = True

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        """See `Method.step`."""
        changes = Changes(trainee.rtn_for(source))
        source_loss = trainee.seeded_loss(seed + SOURCE, source, changes)
        target_loss = trainee.seeded_loss(seed + TARGET, target)
        with changes.followed():
            phi = gradients([source_loss], trainee.rtn, keep=True)
        theta = gradients([source_loss, target_loss], trainee.learner)
        return trainee.update({"source_loss": source_loss.item(), "target_loss": target_loss.item()}, theta, phi)
