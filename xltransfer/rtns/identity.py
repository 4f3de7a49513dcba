"""The RTN that changes nothing, a control: MetaXL with it is joint training."""

from __future__ import annotations

from torch import Tensor

from xltransfer.rtns.base import RTN


class Identity(RTN):
    """No change, no parameters."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """Zeros, shape (batch, time, dim)."""
        return hidden.new_zeros(()).expand_as(hidden)
