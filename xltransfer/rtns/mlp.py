"""The bottleneck RTN of the paper (Xia et al. 2021, section 3.1), with the released gate and initialisation."""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from xltransfer.registry import Bounds
from xltransfer.rtns.base import RTN

_ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh}
NEAR_ZERO_GAIN = 0.01
WIDTHS = Bounds(1, 2**16)
"""Of a hidden layer: those of the largest encoders are a quarter of that."""


class MLP(RTN):
    """dim → bottleneck → activation → dim, scaled by a sigmoid gate; one network for all insertion layers."""

    def __init__(
        self,
        dim: int,
        *,
        bottleneck: Annotated[
            int | None, "width of the middle; wider learns more from more data [dim / 4]", WIDTHS
        ] = None,
        gate: Annotated[bool, "scale each position's change by a learned sigmoid, as released"] = True,
        activation: Annotated[Literal["gelu", "relu", "tanh"], "relu as released; gelu is smooth"] = "gelu",
        init: Annotated[
            Literal["near-zero", "released"], "near-zero starts as joint training; released is Xavier-normal"
        ] = "near-zero",
    ) -> None:
        super().__init__()
        width = max(1, dim // 4) if bottleneck is None else bottleneck
        if width < 1:
            raise ValueError(f"bottleneck: received {bottleneck}; allowed: 1 or more.")
        self.dim = dim
        self.gate = gate
        self.down = nn.Linear(dim, width)
        self.activation = _ACTIVATIONS[activation]()
        self.up = nn.Linear(width, dim + int(gate))
        nn.init.xavier_normal_(self.down.weight)
        nn.init.xavier_normal_(self.up.weight, gain=1.0 if init == "released" else NEAR_ZERO_GAIN)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.bias)

    def gate_values(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        if not self.gate:
            return None
        output: Tensor = self.up(self.activation(self.down(hidden)))
        return output[..., self.dim].sigmoid()

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change, shape (batch, time, dim)."""
        output: Tensor = self.up(self.activation(self.down(hidden)))
        if not self.gate:
            return output
        return output[..., : self.dim] * output[..., self.dim :].sigmoid()
