"""Compute sentence vectors at encoder layers, with and without the RTN, and the RTN's change per token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xltransfer.data.batching import Batch, Collator, Encoded
from xltransfer.encoders.learner import Learner
from xltransfer.rtns.base import RTN

BATCH = 64
KINDS = ("special", "word start", "continuation")
"""Kinds of tokens. A subword of a text that is not split into words counts as a word's start."""
_KEPT = 4096
"""Tokens whose changes are kept for the effective rank."""


@dataclass
class TokenChanges:
    """The RTN's effect on each token at one layer; each field is (tokens,)."""

    kind: list[Tensor] = field(default_factory=list)
    """Indices into `KINDS`."""
    relative_norm: list[Tensor] = field(default_factory=list)
    """|change| / |hidden state|."""
    gate: list[Tensor] = field(default_factory=list)
    """Empty for an RTN without a gate."""
    changes: list[Tensor] = field(default_factory=list)
    """(tokens, dim), for the first few thousand tokens."""

    def summary(self) -> dict[str, object]:
        """Summarise means by kind of token and the effective rank of the changes."""
        kinds, norms = torch.cat(self.kind), torch.cat(self.relative_norm)
        gates = torch.cat(self.gate) if self.gate else None
        tokens = {
            name: {
                "count": int((own := kinds == index).sum()),
                "relative_norm": norms[own].mean().item(),
                "gate": None if gates is None else gates[own].mean().item(),
            }
            for index, name in enumerate(KINDS)
            if bool((kinds == index).any())
        }
        return {"tokens": tokens, "effective_rank": effective_rank(torch.cat(self.changes)[:_KEPT])}


@dataclass(frozen=True)
class Setting:
    """Settings of a pass. `layers` are those measured, `insertion` those with the RTN."""

    layers: tuple[int, ...]
    insertion: tuple[int, ...]
    collate: Collator
    special: frozenset[int]
    """Ids of special tokens."""
    autocast: Callable[[], AbstractContextManager[object]]


def effective_rank(rows: Tensor) -> float:
    """exp(entropy of the singular values as shares) (Roy & Vetterli 2007): 1 if all rows lie on a line, 0 for zeros."""
    values = torch.linalg.svdvals(rows.double())
    total = values.sum()
    if total == 0:
        return 0.0
    shares = values / total
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))


@torch.no_grad()
def sentence_vectors(
    learner: Learner, encoded: Sequence[Encoded], setting: Setting, rtn: RTN | None = None,
    recorded: Mapping[int, TokenChanges] | None = None, between: Callable[[], object] = lambda: None,
) -> dict[int, Tensor]:  # fmt: skip
    """Compute means over tokens without padding, by layer (Xia et al. 2021, section 5): (sentences, dim), on the CPU.

    With `rtn`, states are transformed from an insertion layer on, and `recorded` collects its changes there. `between`
    is called before each batch.
    """
    found: dict[int, list[Tensor]] = {layer: [] for layer in setting.layers}
    was_training = learner.training
    learner.eval()
    viewer = Learner(learner.model, setting.layers)  # a zero change at every layer exposes the states there
    for start in range(0, len(encoded), BATCH):
        between()
        sentences = encoded[start : start + BATCH]
        batch = setting.collate(sentences).to(next(learner.parameters()).device)
        for active, shown in _passes(setting, rtn):
            seen = _RecordingRTN(batch, rtn, active, shown, _kinds(sentences, batch, setting.special), recorded)
            with setting.autocast():
                viewer(batch.inputs, seen)
            for layer, vectors in seen.vectors.items():
                found[layer].append(vectors.cpu())
    learner.train(was_training)
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def _passes(setting: Setting, rtn: RTN | None) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield the insertion layers of each pass and the layers it measures; a mixing RTN has one pass per layer."""
    if rtn is None or rtn.mix() is None:
        yield setting.insertion if rtn is not None else (), setting.layers
        return
    bounds = [*setting.insertion[1:], setting.layers[-1] + 1]
    for layer, end in zip(setting.insertion, bounds, strict=True):
        yield (layer,), tuple(one for one in setting.layers if layer <= one < end)


class _RecordingRTN:
    """Wraps the RTN in one pass over a batch and records its inputs and outputs."""

    def __init__(
        self, batch: Batch, rtn: RTN | None, active: tuple[int, ...], shown: tuple[int, ...], kinds: Tensor,
        recorded: Mapping[int, TokenChanges] | None,
    ) -> None:  # fmt: skip
        self.vectors: dict[int, Tensor] = {}
        self._rtn = None if rtn is None else rtn.for_batch(batch.languages)
        self._active = active
        self._shown = shown
        self._kinds = kinds
        self._recorded = recorded

    def mix(self) -> None:
        """Return None: one pass."""

    def __call__(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        change = torch.zeros_like(hidden)
        if self._rtn is not None and layer in self._active:
            change = self._rtn(hidden, mask, layer).to(hidden.dtype)
            self._record(hidden, mask, change, layer)
        if layer in self._shown:
            weights = mask[..., None].float()
            self.vectors[layer] = ((hidden + change).float() * weights).sum(1) / weights.sum(1)
        return change

    def _record(self, hidden: Tensor, mask: Tensor, change: Tensor, layer: int) -> None:
        if self._recorded is None:
            return
        assert self._rtn is not None
        recorded, real = self._recorded[layer], mask.bool()
        recorded.kind.append(self._kinds[real].cpu())
        recorded.relative_norm.append((change.float().norm(dim=-1) / hidden.float().norm(dim=-1))[real].cpu())
        if (gate := self._rtn.gate_values(hidden, mask, layer)) is not None:
            recorded.gate.append(gate.float()[real].cpu())
        if sum(map(len, recorded.changes)) < _KEPT:
            recorded.changes.append(change.float()[real].cpu())


def _kinds(sentences: Sequence[Encoded], batch: Batch, special: frozenset[int]) -> Tensor:
    """Return the kind of each token, (batch, time); undefined at padding."""
    ids = batch.inputs["input_ids"]
    kinds = torch.full(ids.shape, KINDS.index("word start"), device=ids.device)
    for row, sentence in enumerate(sentences):
        if sentence.words:
            kinds[row] = KINDS.index("continuation")
            kinds[row, [place for place in sentence.words if place >= 0]] = KINDS.index("word start")
    kinds[torch.isin(ids, torch.tensor(sorted(special), device=ids.device))] = KINDS.index("special")
    return kinds
