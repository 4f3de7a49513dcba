"""A random RTN that is never trained, a control for trained ones."""

from __future__ import annotations

from typing import Annotated, Literal

from xltransfer.rtns.mlp import MLP


class Frozen(MLP):
    """An `mlp` with the released initialisation, its parameters fixed."""

    def __init__(
        self,
        dim: int,
        *,
        bottleneck: Annotated[int | None, "width of the middle [dim / 4]"] = None,
        gate: Annotated[bool, "scale each position's change by a random sigmoid, as released"] = True,
        activation: Annotated[Literal["gelu", "relu", "tanh"], "relu as released"] = "gelu",
    ) -> None:
        super().__init__(dim, bottleneck=bottleneck, gate=gate, activation=activation, init="released")
        self.requires_grad_(False)
