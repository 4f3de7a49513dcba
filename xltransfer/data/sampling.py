"""Draw training samples of a given size: nested, and independent of the training seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.errors import DataError


def sample(
    examples: Sequence[Example], size: int | None, data_seed: int, what: str, stratified: bool = False
) -> list[Example]:
    """Draw `size` random examples: the first ones of a fixed order, so that smaller samples are subsets of larger ones.

    `size` None returns all examples in that order. With `stratified`, the labels of every sample have the proportions
    of the whole set, as nearly as its size allows. `what` names the set in the error. Raises DataError if the set has
    fewer examples.
    """
    if size is not None and size > len(examples):
        raise DataError(f"{what}: received {size}; the set has {len(examples)} sentences. Ask for that many or fewer.")
    order = random.Random(data_seed).sample(range(len(examples)), len(examples))
    if stratified:
        order = _space_evenly(order, [_stratum(examples[index]) for index in order])
    return [examples[index] for index in order[:size]]


def _stratum(example: Example) -> tuple[str, ...]:
    """Return a text's label, or the set of entity types or tags in a sentence."""
    if isinstance(example, TaggedSentence):
        return tuple(sorted({tag.partition("-")[2] or tag for tag in example.tags}))
    return (example.label,)


def _space_evenly(order: list[int], strata: list[tuple[str, ...]]) -> list[int]:
    """Rearrange `order` so that the members of each stratum are evenly spaced, without changing their own order."""
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, stratum in enumerate(strata):
        members[stratum].append(place)
    spread = sorted(
        ((rank + 0.5) / len(places), place) for places in members.values() for rank, place in enumerate(places)
    )
    return [order[place] for _, place in spread]
