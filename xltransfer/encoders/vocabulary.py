"""Train only the word-embedding rows that the training data use: exact, independent of vocabulary size.

A row that no training sentence uses has a zero gradient in every step, so that Adam leaves it alone and AdamW shrinks
it by its weight decay. XLM-R's 250,002 rows become some thousands; gradients, moments and inner steps shrink with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xltransfer.encoders.learner import Learner

PAYS_BELOW = 0.5
"""Share of the rows in use up to which the smaller matrix is worth its copying."""
_ROWS_AT_ONCE = 4096


class CompactVocabulary:
    """The word embedding of a learner, reduced to the rows in use."""

    def __init__(self, learner: Learner, used: Iterable[int]) -> None:
        self._model = learner.model
        self._full: nn.Embedding = learner.model.get_input_embeddings()
        self._rows = _ordered(used, self._full.padding_idx).to(self._full.weight.device)
        self._places = torch.full((self._full.num_embeddings,), -1, device=self._rows.device)
        self._places[self._rows] = torch.arange(len(self._rows), device=self._rows.device)
        self._small = self._made()
        self._model.set_input_embeddings(self._small)

    @classmethod
    def reduce_if_worthwhile(cls, learner: Learner, used: Iterable[int]) -> CompactVocabulary | None:
        """Reduce the embedding; None if most rows are in use or it is tied to an output layer."""
        rows = set(used)
        embedding = learner.model.get_input_embeddings()
        if learner.model.get_output_embeddings() is not None or not isinstance(embedding, nn.Embedding):
            return None
        padding = embedding.padding_idx
        if padding is not None and padding > len(
            rows - {padding}
        ):  # it must keep its number: position ids may depend on it
            return None
        return cls(learner, rows) if len(rows) < PAYS_BELOW * embedding.num_embeddings else None

    def restore(self) -> None:
        """Restore the whole matrix permanently; the caller sets its values."""
        self._model.set_input_embeddings(self._full)

    def restore_trained(self, decay: float = 1.0) -> None:
        """Restore the whole matrix permanently, with the trained rows; `decay` as in `whole`."""
        self._fill(decay)
        self.restore()

    def __len__(self) -> int:
        return len(self._rows)

    def to_reduced_ids(self, ids: Tensor) -> Tensor:
        """Map token ids to indices of the rows in use, (batch, time). The padding id is unchanged."""
        return self._places[ids]

    def digest_of_unused(self) -> str:
        """SHA-256 of the untrained rows, which are stored only in the encoder's files."""
        unused, digest = (self._places < 0).nonzero().squeeze(1), hashlib.sha256()
        for rows in torch.split(unused, _ROWS_AT_ONCE):
            digest.update(self._full.weight.detach()[rows].cpu().numpy().tobytes())
        return digest.hexdigest()

    @contextmanager
    def whole(self, decay: float = 1.0) -> Iterator[None]:
        """Context in which the learner has its whole vocabulary, with the trained rows.

        `decay` is what weight decay has made of an unused row since training began.
        """
        original = self._full.weight.detach()
        kept = original.clone() if decay != 1.0 else None
        self._fill(decay)
        self._model.set_input_embeddings(self._full)
        try:
            yield
        finally:
            self._model.set_input_embeddings(self._small)
            if kept is not None:
                original.copy_(kept)

    @torch.no_grad()
    def _fill(self, decay: float) -> None:
        original = self._full.weight.detach()
        if decay != 1.0:
            original.mul_(decay)
        original[self._rows] = self._small.weight

    def _made(self) -> nn.Embedding:
        rows, trained = self._full.weight.detach()[self._rows].clone(), self._full.weight.requires_grad
        small = nn.Embedding(len(rows), rows.shape[1], self._full.padding_idx, device=rows.device, dtype=rows.dtype)
        small.weight = nn.Parameter(rows, requires_grad=trained)
        return small.train(self._full.training)


def _ordered(used: Iterable[int], padding: int | None) -> Tensor:
    """The rows in use, the padding row at its own number (position ids are counted from it in RoBERTa's kin)."""
    rows = sorted(set(used) - {padding})
    if padding is not None:
        rows.insert(padding, padding)
    return torch.tensor(rows)
