"""One RTN for each insertion layer: stacked in one pass (future work of Xia et al. 2021), or mixed as released."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.nested import Nested, build_inner


class Multi(Nested):
    """`networks` maps an insertion layer to its RTN."""

    def __init__(self, networks: dict[int, RTN], mixed: bool) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({str(layer): network for layer, network in networks.items()})
        self.logits = nn.Parameter(torch.zeros(len(networks))) if mixed else None

    @classmethod
    def build(
        cls,
        info: RTNInfo,
        *,
        inner: Annotated[str, "the kind of RTN; its own options are given as inner.NAME=VALUE"] = "mlp",
        mix: Annotated[
            Literal["none", "softmax"],
            "none: all layers act in one pass; softmax: a pass for each layer, losses weighted by a learned softmax, "
            "as released (costs as many passes as there are layers)",
        ] = "none",
        **inner_options: Any,
    ) -> RTN:
        networks = {layer: build_inner(info, inner, inner_options) for layer in info.layers}
        if mix == "none" and len(networks) > 1 and any(network.weighs for network in networks.values()):
            raise ValueError(
                f"inner: received {inner!r}, which weighs the losses of a pass, and layers stacked in one pass share "
                "them; allowed: mix=softmax, or one for all: --rtn weights --rtn-opt inner=multi."
            )
        return cls(networks, mixed=mix == "softmax")

    def mix(self) -> Tensor | None:
        """The weights α of the passes, or None if there is one."""
        return None if self.logits is None else self.logits.softmax(0)

    def gate_values(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        network: RTN = self.networks[str(layer)]  # type: ignore[assignment]
        return network.gate_values(hidden, mask, layer)

    @property
    def weighs(self) -> bool:
        return any(network.weighs for network in self.networks.values())

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        """Those of this layer's network; see `RTN.weights`."""
        network: RTN = self.networks[str(layer)]  # type: ignore[assignment]
        return network.weights(losses, labelled, hidden, mask, layer)

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change of this layer's network, shape (batch, time, dim)."""
        change: Tensor = self.networks[str(layer)](hidden, mask, layer)
        return change
