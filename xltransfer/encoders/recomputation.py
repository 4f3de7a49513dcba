"""Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): recompute activations in the backward pass.

The recomputation runs after the forward pass is over, when functional parameters, insertion hooks and the choice of
attention are gone. So it is done here, around each layer's own forward and inside its hooks, with the parameters and
the attention of that moment; gradient checkpointing of transformers would take those of a later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from xltransfer.encoders.layouts import Layout, layers_of


@contextmanager
def recomputed(base: nn.Module, layout: Layout) -> Iterator[None]:
    """Context in which passes of `base` store only each layer's input."""
    layers = list(layers_of(base, layout))
    for layer in layers:
        layer.forward = partial(_forward, layer, layer.config if hasattr(layer, "config") else base.config)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: nn.Module, config: Any, *args: Any, **kwargs: Any) -> Any:
    body, attention = _Body(layer), config._attn_implementation
    parameters = {**dict(body.named_parameters()), **dict(body.named_buffers())}

    def again(*args: Any) -> Any:
        with attention_set(config, attention):
            return functional_call(body, parameters, args, kwargs)

    return checkpoint(again, *args, use_reentrant=False)


class _Body(nn.Module):
    """A layer without its hooks."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return type(self.layer).forward(self.layer, *args, **kwargs)


@contextmanager
def attention_set(config: Any, name: str) -> Iterator[None]:
    """Context that sets the attention implementation of a configuration."""
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
