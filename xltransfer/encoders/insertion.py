"""Add an RTN's change to the hidden states after layer l, for one forward pass.

The hooks are put on inside the learner's forward and taken off at its end, on whichever copy of the encoder is
running: hooks put on beforehand are lost by `higher.monkeypatch`, which copies modules without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from xltransfer.encoders.layouts import Layout, layers_of
from xltransfer.rtns.changes import Change, Changes
from xltransfer.utils.seeding import rtn_stream


@contextmanager
def inserted(base: nn.Module, layout: Layout, layers: Sequence[int], rtn: Change, mask: Tensor) -> Iterator[None]:
    """Context in which h_l becomes h_l + rtn(stop_gradient(h_l), mask, l) at every l in `layers`.

    `Changes` cut the gradient themselves; any other `rtn` gets states cut off from the graph.

    `layers` are between 0 (the embeddings) and L (before the head); `mask` is (batch, time).
    """
    handles: list[RemovableHandle] = []
    try:
        for layer in layers:
            handles.append(_attach(base, layout, layer, _transform(rtn, mask, layer)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _transform(rtn: Change, mask: Tensor, layer: int) -> Callable[[Tensor], Tensor]:
    def transform(hidden: Tensor) -> Tensor:
        with rtn_stream(layer):
            change = rtn(hidden if isinstance(rtn, Changes) else hidden.detach(), mask, layer)
        return hidden + change.to(hidden.dtype)

    return transform


def _attach(base: nn.Module, layout: Layout, layer: int, transform: Callable[[Tensor], Tensor]) -> RemovableHandle:
    modules = layers_of(base, layout)
    if layer == len(modules):
        return _on_output(base.get_submodule(layout.exit) if layout.exit else modules[-1], transform)
    if layer == 0 and layout.entry:
        return _on_output(base.get_submodule(layout.entry), transform)
    return _on_input(modules[layer], transform)


def _on_input(module: nn.Module, transform: Callable[[Tensor], Tensor]) -> RemovableHandle:
    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (transform(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": transform(kwargs["hidden_states"])}

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def _on_output(module: nn.Module, transform: Callable[[Tensor], Tensor]) -> RemovableHandle:
    def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return (transform(output[0]), *output[1:])
        return transform(output)

    return module.register_forward_hook(hook)
