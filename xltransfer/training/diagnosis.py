"""Does the source help or fight? The cosine between the gradients that the two losses of a step give θ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from xltransfer.data.batching import Batch
from xltransfer.methods.base import SOURCE, TARGET, Method, Sums, Trainee, gradients
from xltransfer.methods.cosine import cosine
from xltransfer.utils.parameters import Gradients


def gradient_cosine(method: Method, trainee: Trainee, source: Batch, target: Batch, seed: int) -> float | None:
    """⟨∇_θ L_source, ∇_θ L_target⟩ over their norms, with the RTN in the source pass where the next step has it.

    1: both want the same; below 0: the source undoes what the target learns (cf. Yu et al. 2020, arXiv 2001.06782).
    None where the method has no source, or a gradient is 0 or not finite. Costs one joint-training step.
    """
    if not method.uses_source:
        return None
    with _buffers_kept(trainee.rtn):
        first, second = _gradients(method, trainee, source, target, seed)
    return cosine(first, second)


def _gradients(method: Method, trainee: Trainee, source: Batch, target: Batch, seed: int) -> tuple[Gradients, ...]:
    sums = Sums()
    for of_source, of_target in zip(trainee.pieces(source), trainee.pieces(target), strict=True):
        rtn = trainee.rtn_for(of_source.batch) if method.inserts(trainee) else None
        by_source = gradients([trainee.piece_loss(of_source, seed + SOURCE, rtn)], trainee.learner)
        by_target = gradients([trainee.piece_loss(of_target, seed + TARGET)], trainee.learner)
        sums.add({}, by_source, by_target)
    return sums.total(trainee.processes)[1]


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """Within: what a pass does to buffers is undone in the end."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(before[name])
