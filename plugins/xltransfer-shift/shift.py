import torch

from xltransfer import RTN, register_rtn


@register_rtn("shift")
class Shift(RTN):
    """Adds one learned vector."""

    def __init__(self, dim: int, *, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.vector = torch.nn.Parameter(torch.zeros(dim))

    def forward(self, hidden, mask, layer):
        return (self.scale * self.vector).expand_as(hidden)
