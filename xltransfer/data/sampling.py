"""Training samples of a stated size: nested, and apart from the training seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.errors import DataError


def sample(
    examples: Sequence[Example], size: int | None, data_seed: int, what: str, stratified: bool = False
) -> list[Example]:
    """`size` examples at random, the first of one fixed order, so that a smaller sample is inside a larger one.

    `size` None takes all, in that order. `stratified`: every such sample has labels in the proportions of the whole,
    as nearly as its size allows. `what` names the set in the error. Raises DataError if there are fewer.
    """
    if size is not None and size > len(examples):
        raise DataError(f"{what}: received {size}; the set has {len(examples)} sentences. Ask for that many or fewer.")
    order = random.Random(data_seed).sample(range(len(examples)), len(examples))
    if stratified:
        order = _evenly_spread(order, [_stratum(examples[index]) for index in order])
    return [examples[index] for index in order[:size]]


def _stratum(example: Example) -> tuple[str, ...]:
    """A text's label, or which kinds of tag a sentence has."""
    if isinstance(example, TaggedSentence):
        return tuple(sorted({tag.partition("-")[2] or tag for tag in example.tags}))
    return (example.label,)


def _evenly_spread(order: list[int], strata: list[tuple[str, ...]]) -> list[int]:
    """`order` rearranged so that each stratum's members lie at equal distances, in their order within it."""
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, stratum in enumerate(strata):
        members[stratum].append(place)
    spread = sorted(
        ((rank + 0.5) / len(places), place) for places in members.values() for rank, place in enumerate(places)
    )
    return [order[place] for _, place in spread]
