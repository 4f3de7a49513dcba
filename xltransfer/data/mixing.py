"""The order of source sentences, and how several source languages are mixed in batches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal

import torch

from xltransfer.data.batching import endless_order, epoch_order

Mixing = Literal["concatenated", "proportional", "temperature", "per-language"]
_BATCHES_PER_BUCKET = 50
"""The number of batches whose sentences are sorted by length together."""


class SourceOrder(ABC):
    """The source sentences of each step's batch. Languages are indices into the run's sources."""

    uses_rewards: ClassVar[bool] = False
    """Whether `reward` must be called after each step."""
    steps_per_epoch: int
    mixture: Mapping[int, float] = {}
    """The probability of each language in the last draw, if a batch has one language."""
    drawn: Mapping[int, int] = {}
    """The number of batches drawn from each language, if a batch has one language."""

    @abstractmethod
    def rows(self, step: int) -> list[int]:
        """Return the sentence indices for `step`, counted from 0. Called for each step in turn."""

    def reward(self, usefulness: float) -> None:  # noqa: B027  (optional)
        """Set the usefulness of the last batch (see `Method.tells_usefulness`). Not called for a skipped step."""

    def state(self) -> dict[str, Any]:
        """Return everything that does not follow from seed and step, as JSON values."""
        return {}

    def load(self, values: Mapping[str, Any]) -> None:  # noqa: B027
        """Restore what `state` returned. This order must have the same configuration and data."""


class EpochOrder(SourceOrder):
    """Consecutive epochs of `source_order`. The order follows from the seed, so that it can start at any step.

    Epoch e, from 1, has the seed `seed` + e. With the sentence `lengths`, batches have sentences of similar length.
    """

    def __init__(
        self, languages: Sequence[int], batch_size: int, seed: int, mixing: Mixing = "concatenated",
        temperature: float = 1.0, lengths: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.steps_per_epoch = epoch_steps(languages, batch_size, mixing)
        self._languages = languages
        self._batch_size = batch_size
        self._seed = seed
        self._mixing = mixing
        self._temperature = temperature
        self._lengths = lengths
        self._left: Iterator[list[int]] = iter(())
        self._next: int | None = None

    def rows(self, step: int) -> list[int]:
        epoch, done = divmod(step, self.steps_per_epoch)
        if done == 0 or step != self._next:
            self._left = islice(self._epoch(self._seed + epoch + 1), done, None)
        self._next = step + 1
        return next(self._left)

    def _epoch(self, seed: int) -> Iterator[list[int]]:
        order = source_order(self._languages, self._batch_size, seed, self._mixing, self._temperature)
        return order if self._lengths is None else bucket_by_length(order, self._lengths, seed)


def source_order(
    languages: Sequence[int], batch_size: int, seed: int, mixing: Mixing = "concatenated", temperature: float = 1.0
) -> Iterator[list[int]]:
    """Yield an epoch's batches as indices. `languages` holds each sentence's source language.

    - concatenated: every sentence once, shuffled together.
    - per-language: every sentence once, each batch from one language.
    - proportional, temperature: as many batches as concatenated; the language of each sentence is drawn with a
      probability proportional to n_i^(1/T), T = 1 for proportional (Conneau et al. 2020, arXiv 1911.02116, section 3.1,
      with α = 1/T). Within a language, no sentence is repeated before all have been drawn.
    """
    if mixing == "concatenated":
        yield from epoch_order(len(languages), batch_size, seed)
        return
    members = list(rows_by_language(languages).values())
    if mixing == "per-language":
        yield from _one_language_a_batch(members, batch_size, seed)
        return
    generator = torch.Generator().manual_seed(seed)
    exponent = 1 / temperature if mixing == "temperature" else 1.0
    weights = torch.tensor([len(rows) ** exponent for rows in members], dtype=torch.float64)
    queues = [endless_order(len(rows), 1, seed + 1 + number) for number, rows in enumerate(members)]
    left = len(languages)
    for _ in range(math.ceil(len(languages) / batch_size)):
        drawn = torch.multinomial(weights, min(batch_size, left), replacement=True, generator=generator).tolist()
        left -= len(drawn)
        yield [members[language][next(queues[language])[0]] for language in drawn]


def bucket_by_length(order: Iterator[list[int]], lengths: Sequence[int], seed: int) -> Iterator[list[int]]:
    """Regroup sentences by length within every `_BATCHES_PER_BUCKET` batches, then shuffle these batches."""
    generator = torch.Generator().manual_seed(seed)
    batches = list(order)
    for start in range(0, len(batches), _BATCHES_PER_BUCKET):
        bucket = batches[start : start + _BATCHES_PER_BUCKET]
        rows = iter(sorted((row for batch in bucket for row in batch), key=lambda row: (lengths[row], row)))
        sorted_batches = [list(islice(rows, len(batch))) for batch in bucket]
        for place in torch.randperm(len(bucket), generator=generator).tolist():
            yield sorted_batches[place]


def rows_by_language(languages: Sequence[int]) -> dict[int, list[int]]:
    """Return the sentence indices of each language, by language in ascending order."""
    return {
        language: [row for row, own in enumerate(languages) if own == language] for language in sorted(set(languages))
    }


def epoch_steps(languages: Sequence[int], batch_size: int, mixing: Mixing) -> int:
    """Return the number of batches of an epoch."""
    if mixing != "per-language":
        return math.ceil(len(languages) / batch_size)
    return sum(math.ceil(count / batch_size) for count in Counter(languages).values())


def _one_language_a_batch(members: list[list[int]], batch_size: int, seed: int) -> Iterator[list[int]]:
    batches = [
        [rows[index] for index in batch]
        for number, rows in enumerate(members)
        for batch in epoch_order(len(rows), batch_size, seed + 1 + number)
    ]
    for place in torch.randperm(len(batches), generator=torch.Generator().manual_seed(seed)).tolist():
        yield batches[place]
