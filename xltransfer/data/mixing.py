"""Which source sentences make up the batches of an epoch, where there are several source languages."""

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
_BUCKET = 50
"""Batches that are sorted by length together."""


class SourceOrder(ABC):
    """Which source sentences make up the batch of each step of a run. Languages are indices into its sources."""

    uses_rewards: ClassVar[bool] = False
    """Whether it has to be told what a batch was worth."""
    steps_per_epoch: int
    mixture: Mapping[int, float] = {}
    """The probability that each language had in the last draw, where whole batches are drawn."""
    drawn: Mapping[int, int] = {}
    """How many batches were drawn of each language, then."""

    @abstractmethod
    def rows(self, step: int) -> list[int]:
        """Indices of the sentences of step `step` (from 0 at the run's first). Called for one step after the other."""

    def reward(self, usefulness: float) -> None:  # noqa: B027  (most need not know)
        """What the last step's batch was worth (see `Method.tells_usefulness`). Not called for a step passed over."""

    def state(self) -> dict[str, Any]:
        """All that does not follow from the seed and the step, for JSON."""
        return {}

    def load(self, values: Mapping[str, Any]) -> None:  # noqa: B027
        """Go on from what `state` returned, in an order made of the same configuration and data."""


class EpochOrder(SourceOrder):
    """Epoch after epoch of `source_order`: it follows from the seed, so that it may begin at any step.

    Epoch e (from 1) has the seed `seed` + e. With `lengths`, those of the sentences, batches are of like length.
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
        """See `SourceOrder.rows`."""
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
    """Indices of an epoch's batches; `languages` holds each sentence's source language.

    concatenated: every sentence once, shuffled together. per-language: every sentence once, each batch of one language.
    proportional, temperature: as many batches, the language of each sentence drawn with probability n_i^(1/T), T = 1
    for proportional (Conneau et al. 2020, arXiv 1911.02116, section 3.1, with α = 1/T); a language goes through its
    sentences before one comes again.
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
    """The same sentences in batches of like length: sorted within every `_BUCKET` batches, which are then shuffled."""
    generator = torch.Generator().manual_seed(seed)
    batches = list(order)
    for start in range(0, len(batches), _BUCKET):
        some = batches[start : start + _BUCKET]
        rows = sorted((row for batch in some for row in batch), key=lambda row: (lengths[row], row))
        sorted_batches, taken = [], 0
        for batch in some:
            sorted_batches.append(rows[taken : taken + len(batch)])
            taken += len(batch)
        for place in torch.randperm(len(some), generator=generator).tolist():
            yield sorted_batches[place]


def rows_by_language(languages: Sequence[int]) -> dict[int, list[int]]:
    """The indices of each language's sentences, by language in ascending order."""
    return {
        language: [row for row, own in enumerate(languages) if own == language] for language in sorted(set(languages))
    }


def epoch_steps(languages: Sequence[int], batch_size: int, mixing: Mixing) -> int:
    """How many batches an epoch has."""
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
