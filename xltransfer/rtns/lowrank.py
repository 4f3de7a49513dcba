"""A low-rank linear RTN, scaled and initialised like LoRA (Hu et al. 2021, arXiv 2106.09685, section 4.1)."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from xltransfer.rtns.base import RTN


class LowRank(RTN):
    """change = (alpha / rank) · B A h, with B zero at first: training starts as joint training."""

    def __init__(
        self,
        dim: int,
        *,
        rank: Annotated[int, "of the factors A: (rank, dim) and B: (dim, rank)"] = 8,
        alpha: Annotated[float, "strength; the change is scaled by alpha / rank, so that rank can be varied alone"] = 8,
    ) -> None:
        super().__init__()
        if not 1 <= rank <= dim:
            raise ValueError(f"rank: received {rank}; allowed: 1 to {dim}, the hidden size.")
        self.scale = alpha / rank
        self.down = nn.Linear(dim, rank, bias=False)
        self.up = nn.Linear(rank, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change, shape (batch, time, dim)."""
        change: Tensor = self.up(self.down(hidden)) * self.scale
        return change
