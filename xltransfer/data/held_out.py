"""Target batches of a run in which some target sentences are held out for the query loss.

A query loss over memorised sentences is a poor estimate of generalisation, and θ soon memorises a hundred sentences.
The held-out sentences are a separate meta-set, as in Ren et al. 2018 (arXiv 1803.09050) and Meta-Weight-Net (Shu et al.
2019, arXiv 1902.07379).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from xltransfer.data.batching import endless_order
from xltransfer.errors import ConfigError

Phase = Literal["before", "meta", "after"]
"""Phase of a run: before the RTN is used, while it is trained, and after that."""


def held_out_batches(
    count: int, held: int, size: int, queries: int, phases: Iterable[Phase], seed: int
) -> Iterator[list[int]]:
    """Yield the batch of each step as indices, one per phase in `phases`. The last `held` of `count` are held out.

    before: `size` sentences that are not held out. meta: the same, then `queries` held-out sentences. after: `size` of
    all sentences. Raises ConfigError on the call, not on iteration, if a batch would need a sentence twice.
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
