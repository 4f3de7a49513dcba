"""Weights of source losses, learned by the meta-gradient: Meta-Weight-Net (Shu et al. 2019, arXiv 1902.07379).

A small network with a sigmoid says how much each source sentence or token counts: from its loss, as there, or from its
hidden states. As in their released code the network has 100 hidden units, θ takes the weights as constants, and they
are not normalised within a batch, which so may be cut into pieces. Two things differ: GELU, which has no kinks, for
ReLU; and twice the sigmoid, of 0 at first, so that training starts with weights of 1, as joint training.
"""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.mlp import WIDTHS
from xltransfer.rtns.nested import build_any

By = Literal["loss", "features", "both"]


class Weights(RTN):
    """Factors between 0 and 2 for the source losses; the change is that of `inner`."""

    def __init__(self, dim: int, inner: RTN, *, by: By, level: Literal["token", "sentence"], width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width: received {width}; allowed: 1 or more.")
        self.inner = inner
        self.by = by
        self.level = level
        inputs = {"loss": 1, "features": dim, "both": dim + 1}[by]
        self.net = nn.Sequential(first := nn.Linear(inputs, width), nn.GELU(), last := nn.Linear(width, 1))
        nn.init.xavier_normal_(first.weight)
        for zeros in (first.bias, last.weight, last.bias):
            nn.init.zeros_(zeros)

    @classmethod
    def build(
        cls,
        info: RTNInfo,
        *,
        by: Annotated[
            By, "what a weight is computed from: the loss, the hidden states at the last insertion layer, or both"
        ] = "features",
        level: Annotated[
            Literal["token", "sentence"],
            "of tagging; token: each has its own weight; sentence: one for all, from means over the sentence",
        ] = "token",
        width: Annotated[int, "hidden units of the weighing network", WIDTHS] = 100,
        inner: Annotated[
            str, "the RTN that changes the states meanwhile; its own options are given as inner.NAME=VALUE"
        ] = "identity",
        **inner_options: Any,
    ) -> RTN:
        rtn = build_any(info, inner, inner_options)
        if rtn.weighs:
            raise ValueError(f"inner: received {inner!r}, which weighs too; allowed: an RTN that does not, such as "
                             "identity or mlp.")  # fmt: skip
        return cls(info.dim, rtn, by=by, level=level, width=width)

    def for_batch(self, languages: Tensor) -> RTN:
        bound = copy.copy(self)
        bound._modules = {**self._modules, "inner": self.inner.for_batch(languages)}  # a copy has the same dictionary
        return bound

    def mix(self) -> Tensor | None:
        return self.inner.mix()

    def gate_values(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        return self.inner.gate_values(hidden, mask, layer)

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """2 · sigmoid(net(loss, states)); see `RTN.weights`.

        Of a text, and of a sentence of tagging with level=sentence, the states are their mean over tokens, the loss
        its mean over labels. Without autocast: in bf16 the weights near 1 would be 0.004 apart.
        """
        shape, kind = losses.shape, next(self.net.parameters()).dtype
        hidden, losses, by_token = hidden.to(kind), losses.to(kind), losses.dim() == 2
        if not by_token or self.level == "sentence":
            tokens = mask.unsqueeze(-1).to(kind)
            hidden = (hidden * tokens).sum(1) / tokens.sum(1)
        if by_token and self.level == "sentence":
            losses = losses.sum(1) / labelled.sum(1).clamp_min(1)
        seen = {"loss": [losses.unsqueeze(-1)], "features": [hidden], "both": [hidden, losses.unsqueeze(-1)]}[self.by]
        with torch.autocast(hidden.device.type, enabled=False):
            weights: Tensor = 2 * self.net(torch.cat(seen, -1)).squeeze(-1).sigmoid()
        return weights.unsqueeze(-1).expand(shape) if weights.dim() < len(shape) else weights

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change of `inner`, shape (batch, time, dim)."""
        change: Tensor = self.inner(hidden, mask, layer)
        return change
