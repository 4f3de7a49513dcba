"""Compile each encoder layer with `torch.compile`.

Compiled code has no second derivative, so passes whose gradient is differentiated run uncompiled
(`learner.plain_passes`).
"""

from __future__ import annotations

from types import MethodType

from torch import nn

from xltransfer.encoders.layouts import Layout, layers_of

_SHAPES = 64
"""How many shapes of batches, in training and evaluation together, are compiled before the rest run as they are."""


def compile_layers(base: nn.Module, layout: Layout, compiler: str = "inductor") -> None:
    """Compile the forward of each layer of `base`, for batches of one shape at a time; hooks stay outside.

    Dropout draws the same masks as uncompiled, so that losses of one gradient agree whichever way they are computed.
    """
    import torch._dynamo.config  # here, since it takes as long as torch itself
    import torch._functorch.config
    import torch._inductor.config

    torch._dynamo.config.recompile_limit = _SHAPES
    torch._inductor.config.fallback_random = True
    torch._functorch.config.donated_buffer = False  # some backends keep a graph for a second backward pass
    for layer in layers_of(base, layout):
        layer.forward = torch.compile(MethodType(type(layer).forward, layer), backend=compiler, dynamic=False)
