"""Encoded sentences, padded batches, and the seeded order in which sentences are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

IGNORED = -100
"""Label of positions that a loss ignores (the default `ignore_index` of torch)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded sentence: tokenizer features and label ids.

    For tagging, `labels` has one id per subword, `IGNORED` except at the first subword of each word; for
    classification it is one id. `words` has the position of each word's first subword, -1 if it was truncated.
    """

    features: Mapping[str, list[int]]
    labels: list[int] | int
    words: tuple[int, ...] = ()
    language: int = 0
    """Index into the run's source languages."""
    continues: bool = False
    """Whether this is a continuation of the previous sentence, which was split into windows."""

    @property
    def cut(self) -> bool:
        """Whether words were lost by truncation, or by a tokenizer that drops them."""
        return -1 in self.words


@dataclass(frozen=True)
class Batch:
    """Padded tensors: `inputs` (batch, time) each, `labels` (batch, time) or (batch,).

    `languages` (batch,) are indices into the run's source languages, and stay on the host. So do the lengths and the
    counts of labels, from which batches are split and weighed: a step asks the device for no number.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    languages: Tensor
    multiple: int = 1
    """`time` is a multiple of this number of subwords."""

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Subwords of each sentence."""
        return tuple(self.inputs["attention_mask"].sum(1).int().tolist())

    @cached_property
    def labelled(self) -> tuple[int, ...]:
        """Labels of each sentence that are not IGNORED."""
        return tuple((self.labels != IGNORED).reshape(len(self.labels), -1).sum(1).tolist())

    def counted_as(self, lengths: tuple[int, ...], labelled: tuple[int, ...]) -> Batch:
        """This batch, with what is known of it, so that nobody counts."""
        self.__dict__.update(lengths=lengths, labelled=labelled)
        return self

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weight(self) -> int:
        """The number of labels over which the mean loss of this batch is taken."""
        return sum(self.labelled)

    def to(self, device: torch.device) -> Batch:
        """Move the batch to a device."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        labels = self.labels.to(device, non_blocking=True)
        return Batch(moved, labels, self.languages, self.multiple).counted_as(self.lengths, self.labelled)


@dataclass(frozen=True)
class Piece:
    """A micro-batch for gradient accumulation or data-parallel training, with at least one sentence."""

    batch: Batch
    share: float
    """Its share of the batch's labels: the batch's mean loss is the sum of share · mean loss. 0 without labels."""
    number: int
    """Its index in the whole batch, from 0."""


def split_into_pieces(batch: Batch, count: int) -> list[Piece]:
    """Split a batch into `count` pieces whose sizes differ by at most one sentence."""
    if count == 1:
        return [Piece(batch, 1.0, 0)]
    total, size = batch.weight, len(batch)
    pieces = []
    for number in range(count):
        first, last = size * number // count, size * (number + 1) // count
        rows = _select_rows(batch, slice(first, max(last, first + 1)))
        share = rows.weight / (total or 1) if last > first else 0.0
        # a batch without any label: each piece's loss is NaN, as is the whole batch's
        pieces.append(Piece(rows, share if total else 1.0, number))
    return pieces


def split_batch(batch: Batch, first: int) -> tuple[Batch, Batch]:
    """Split off the first `first` sentences. Columns that only hold padding are dropped from both parts."""
    return _select_rows(batch, slice(0, first)), _select_rows(batch, slice(first, None))


def _select_rows(batch: Batch, rows: slice) -> Batch:
    lengths, labelled = batch.lengths[rows], batch.labelled[rows]
    length = _round_up(max(lengths), batch.multiple)
    inputs = {name: tensor[rows, :length] for name, tensor in batch.inputs.items()}
    labels = batch.labels[rows]
    labels = labels[:, :length] if labels.dim() == 2 else labels
    return Batch(inputs, labels, batch.languages[rows], batch.multiple).counted_as(lengths, labelled)


class Collator:
    """Pads on the right with the tokenizer's padding values, to a multiple of `multiple` subwords."""

    def __init__(self, padding: Mapping[str, int], multiple: int = 1) -> None:
        self.padding = dict(padding)
        self.multiple = multiple

    def __call__(self, sentences: Sequence[Encoded]) -> Batch:
        """Collate sentences into a batch, padded to the longest one."""
        names = sentences[0].features
        time = _round_up(max(len(s.features["input_ids"]) for s in sentences), self.multiple)
        inputs = {name: _pad([s.features[name] for s in sentences], self.padding.get(name, 0), time) for name in names}
        labels = [s.labels for s in sentences]
        languages = torch.tensor([s.language for s in sentences])
        if isinstance(labels[0], int):
            return Batch(inputs, torch.tensor(labels), languages, self.multiple)
        return Batch(inputs, _pad(labels, IGNORED, time), languages, self.multiple)  # type: ignore[arg-type]


def _pad(rows: Sequence[list[int]], value: int, time: int) -> Tensor:
    return torch.tensor([row + [value] * (time - len(row)) for row in rows])


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def epoch_order(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Yield the batches of one shuffled epoch as indices. The last batch may be smaller."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()
    for start in range(0, size, batch_size):
        yield order[start : start + batch_size]


def endless_order(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Yield full batches of indices without end, reshuffled for each pass. No batch has a sentence twice."""
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(batch_size, size)
    queue: list[int] = []
    while True:
        if len(queue) < batch_size:
            fresh = torch.randperm(size, generator=generator).tolist()
            # indices left from the previous pass come first, and last in the new pass, so that no batch repeats one
            queue += [i for i in fresh if i not in queue] + [i for i in fresh if i in queue]
        yield queue[:batch_size]
        queue = queue[batch_size:]
