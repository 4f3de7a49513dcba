"""From encoded sentences to padded batches, in an order fixed by a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
"""Label of positions that take no part in a loss (the default `ignore_index` of torch)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sentence as the tokenizer's features and label ids.

    `labels` has one id a subword for tagging (`IGNORED` but at each word's first), one id for classification.
    `words` gives the position of each word's first subword, -1 where the word was cut off.
    """

    features: Mapping[str, list[int]]
    labels: list[int] | int
    words: tuple[int, ...] = ()
    language: int = 0
    """Index into the run's source languages."""
    continues: bool = False
    """Whether this is a further piece of the sentence before it."""

    @property
    def cut(self) -> bool:
        """Whether truncation, or a tokenizer that drops a word, lost words."""
        return -1 in self.words


@dataclass(frozen=True)
class Batch:
    """Padded tensors: `inputs` (batch, time) each, `labels` (batch, time) or (batch,).

    `languages` (batch,) are indices into the run's source languages.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    languages: Tensor
    multiple: int = 1
    """Of which `time` is one."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weight(self) -> int:
        """How many labels a mean over this batch is over."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        labels, languages = (part.to(device, non_blocking=True) for part in (self.labels, self.languages))
        return Batch(moved, labels, languages, self.multiple)


@dataclass(frozen=True)
class Piece:
    """Some sentences of a batch, one at least. A piece without labels counts for nothing: its `share` is 0."""

    batch: Batch
    share: float
    """Its part of the whole batch's labels, so that the whole batch's mean loss is the sum of share · mean loss."""
    number: int
    """From 0, within the whole batch."""


def split_into_pieces(batch: Batch, count: int) -> list[Piece]:
    """`count` pieces whose sizes differ by one sentence at most."""
    if count == 1:
        return [Piece(batch, 1.0, 0)]
    total, size = batch.weight, len(batch)
    pieces = []
    for number in range(count):
        first, last = size * number // count, size * (number + 1) // count
        rows = _rows(batch, slice(first, max(last, first + 1)))
        share = rows.weight / (total or 1) if last > first else 0.0
        pieces.append(Piece(rows, share if total else 1.0, number))  # no label at all: the loss is NaN, as of the whole
    return pieces


def split_batch(batch: Batch, first: int) -> tuple[Batch, Batch]:
    """The first `first` sentences and the rest, each without columns that are padding throughout."""
    return _rows(batch, slice(0, first)), _rows(batch, slice(first, None))


def _rows(batch: Batch, rows: slice) -> Batch:
    length = _up_to(int(batch.inputs["attention_mask"][rows].sum(1).max()), batch.multiple)
    inputs = {name: tensor[rows, :length] for name, tensor in batch.inputs.items()}
    labels = batch.labels[rows]
    labels = labels[:, :length] if labels.dim() == 2 else labels
    return Batch(inputs, labels, batch.languages[rows], batch.multiple)


class Collator:
    """Pads on the right with the values the tokenizer asks for, up to a multiple of `multiple` subwords."""

    def __init__(self, padding: Mapping[str, int], multiple: int = 1) -> None:
        self.padding = dict(padding)
        self.multiple = multiple

    def __call__(self, sentences: Sequence[Encoded]) -> Batch:
        """One batch, as long as its longest sentence."""
        names = sentences[0].features
        time = _up_to(max(len(s.features["input_ids"]) for s in sentences), self.multiple)
        inputs = {
            name: _padded([s.features[name] for s in sentences], self.padding.get(name, 0), time) for name in names
        }
        labels = [s.labels for s in sentences]
        languages = torch.tensor([s.language for s in sentences])
        if isinstance(labels[0], int):
            return Batch(inputs, torch.tensor(labels), languages, self.multiple)
        return Batch(inputs, _padded(labels, IGNORED, time), languages, self.multiple)  # type: ignore[arg-type]


def _padded(rows: Sequence[list[int]], value: int, time: int) -> Tensor:
    return torch.tensor([row + [value] * (time - len(row)) for row in rows])


def _up_to(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def epoch_order(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Indices of one shuffled pass in batches; the last may be smaller."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()
    for start in range(0, size, batch_size):
        yield order[start : start + batch_size]


def endless_order(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Indices in full batches for ever, reshuffled when a pass is used up; no sentence twice in a batch."""
    generator = torch.Generator().manual_seed(seed)
    batch_size = min(batch_size, size)
    queue: list[int] = []
    while True:
        if len(queue) < batch_size:
            fresh = torch.randperm(size, generator=generator).tolist()
            # what is left of the last pass goes first; its indices come later in the new pass
            queue += [i for i in fresh if i not in queue] + [i for i in fresh if i in queue]
        yield queue[:batch_size]
        queue = queue[batch_size:]
