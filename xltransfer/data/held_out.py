"""Target batches of a run that keeps some sentences for the query alone.

A query loss over sentences that θ has learnt by heart says little of what would help with others, and with a hundred
sentences θ soon has: hence a meta-set apart from the training set, as in Ren et al. 2018 (arXiv 1803.09050) and
Meta-Weight-Net (Shu et al. 2019, arXiv 1902.07379).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from xltransfer.data.batching import endless_order
from xltransfer.errors import ConfigError

Phase = Literal["before", "meta", "after"]
"""Of a run: before the RTN comes in, while it is learnt, and after that."""


def held_out_batches(
    count: int, held: int, size: int, queries: int, phases: Iterable[Phase], seed: int
) -> Iterator[list[int]]:
    """Indices of each step's batch, one for each of `phases`; the last `held` of `count` are held out.

    before: `size` of the others alone. meta: `size` of the others, then `queries` that are held out. after: `size` of
    all. Raises ConfigError, at once, if a batch would need a sentence twice.
    """
    known = count - held
    if held < queries or known < size:
        raise ConfigError([
            f"held_out: {held} of {count} target sentences are held out, {known} are left; a step needs "
            f"{queries} and {size} of them: another share, more sentences or a smaller batch_size."
        ])  # fmt: skip
    return _rows(count, known, size, queries, phases, seed)


def _rows(count: int, known: int, size: int, queries: int, phases: Iterable[Phase], seed: int) -> Iterator[list[int]]:
    everything, of_known = endless_order(count, size, seed), endless_order(known, size, seed)
    held_out = endless_order(count - known, queries, seed)
    for phase in phases:
        rows = next(everything if phase == "after" else of_known)
        yield [*rows, *(known + row for row in next(held_out))] if phase == "meta" else rows
