"""The contract of a representation transformation network (RTN; Xia et al. 2021, section 3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class RTNInfo:
    """What `build` receives: hidden size, insertion layers, source languages, encoder config."""

    dim: int
    layers: tuple[int, ...]
    sources: tuple[str, ...]
    encoder_config: Any


class RTN(nn.Module, ABC):
    """Computes the change that is added to the hidden states of a source pass.

    A plugin subclasses this with `__init__(self, dim: int, *, option: type = default)` and `forward`. One that
    needs more than the hidden size overrides `build`.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16")
    """Of the matrix products it can work with."""

    @classmethod
    def build(cls, info: RTNInfo, **options: Any) -> RTN:
        """Build the RTN of a run; by default `cls(info.dim, **options)`."""
        return cls(info.dim, **options)

    def for_batch(self, languages: Tensor) -> RTN:
        """This RTN for a batch whose rows are of these source languages: (batch,), indices into `RTNInfo.sources`.

        By default itself. What is returned shares this RTN's parameters.
        """
        return self

    def mix(self) -> Tensor | None:
        """None: one source pass through all insertion layers. Else a pass for each, losses weighted so: (layers,)."""
        return None

    def gate_values(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        """The gate of each position's change, (batch, time), for analysis; None without a gate."""
        return None

    @property
    def weighs(self) -> bool:
        """Whether it weighs source losses: by default, whether its class has `weights` of its own."""
        return type(self).weights is not RTN.weights

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        """The factors by which the source losses are multiplied, in the shape of `losses`; None: an RTN without.

        `losses`: one a text (batch,), or one a token (batch, time), 0 where `labelled` (of the same shape) is False.
        `hidden` (batch, time, dim) are the states after `layer`, the pass's last insertion layer, as `forward` got
        them: before their change. Both are cut off from θ's graph, so that θ takes the weights as constants, while the
        meta-gradient follows them (see `Changes`). `mask` as in `forward`.

        The source loss is the mean of factor · loss over all labels. A sentence's factors may depend on that sentence
        alone: a batch may be cut into pieces.
        """
        return None

    @abstractmethod
    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change to add, shape (batch, time, dim).

        `hidden` (batch, time, dim) are the states after `layer` (0: embeddings), cut off from the encoder's graph;
        `mask` (batch, time) is 1 at tokens and 0 at padding.
        """
