"""Training samples of a stated size: nested, and apart from the training seed."""

from __future__ import annotations

import random

from xltransfer.data.examples import Example
from xltransfer.errors import DataError


def sample(examples: list[Example], size: int | None, data_seed: int, what: str) -> list[Example]:
    """`size` examples at random, the first of one fixed order, so that a smaller sample is inside a larger one.

    `size` None takes all, in that order. `what` names the set in the error. Raises DataError if there are fewer.
    """
    if size is not None and size > len(examples):
        raise DataError(f"{what}: received {size}; the set has {len(examples)} sentences. Ask for that many or fewer.")
    order = random.Random(data_seed).sample(range(len(examples)), len(examples))
    return [examples[index] for index in order[:size]]
