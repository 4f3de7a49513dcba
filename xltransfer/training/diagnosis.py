"""Cosine similarity between the source and the target gradient of θ, a measure of negative transfer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Sums, Trainee, gradients
from xltransfer.utils.parameters import Gradients, cosine


def gradient_cosine(method: Method, trainee: Trainee, source: Batch, target: Batch, seed: int) -> float | None:
    """Compute cos(∇_θ L_source, ∇_θ L_target), with the RTN in the source pass if the next step uses it.

    1 means that both losses agree. Below 0 they conflict: to first order, a step on the source increases the target
    loss (cf. Yu et al. 2020, arXiv 2001.06782). None if the method has no source, or a gradient is 0 or not finite.
    It costs as much as one step of joint training.
    """
    if not method.uses_source:
        return None
    with _restoring_buffers(trainee.rtn):
        first, second = _gradients(method, trainee, source, target, seed)
    return cosine(first, second)


def _gradients(method: Method, trainee: Trainee, source: Batch, target: Batch, seed: int) -> tuple[Gradients, ...]:
    sums = Sums()
    for source_piece, target_piece in zip(trainee.pieces(source), trainee.pieces(target), strict=True):
        rtn = trainee.rtn_for(source_piece.batch) if method.inserts(trainee) else None
        source_gradients = gradients([trainee.piece_loss(source_piece, seed + SOURCE, rtn)], trainee.learner)
        target_gradients = gradients([trainee.piece_loss(target_piece, seed + TARGET)], trainee.learner)
        sums.add({}, source_gradients, target_gradients)
    return sums.total(trainee.processes)[1]


@contextmanager
def _restoring_buffers(module: nn.Module) -> Iterator[None]:
    """Restore the module's buffers at the end."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(before[name])
