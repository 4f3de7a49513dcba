"""The learner: a Hugging Face encoder with its task head (θ), and the layers at which an RTN (φ) may act."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.encoders.insertion import inserted
from xltransfer.encoders.layouts import layout_for
from xltransfer.rtns.changes import Change


class Learner(nn.Module):
    """Encoder and head. Without an RTN it is the plain model; that is the target pass and all evaluation."""

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.layers = tuple(layers)
        self.layout = layout_for(model.config.model_type)

    def forward(self, inputs: Mapping[str, Tensor], rtn: Change | None = None, only: int | None = None) -> Tensor:
        """Logits, (batch, time, labels) or (batch, labels).

        `inputs` are the tokenizer's tensors, (batch, time) each. With `rtn` (a source pass) its change is added to
        the hidden states at the insertion layers, or at the insertion layer of index `only` alone.
        """
        if rtn is None:
            return self._logits(inputs)
        layers = self.layers if only is None else (self.layers[only],)
        with inserted(self.model.base_model, self.layout, layers, rtn, inputs["attention_mask"]):
            return self._logits(inputs)

    def _logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**inputs, return_dict=True).logits
        return logits


@contextmanager
def plain_attention(learner: Any) -> Iterator[None]:
    """Within: passes of `learner` and of its copies use attention that has a second derivative."""
    config = getattr(getattr(learner, "model", None), "config", None)
    if config is None or config._attn_implementation == "eager":
        yield
        return
    fused = config._attn_implementation
    config._attn_implementation = "eager"
    try:
        yield
    finally:
        config._attn_implementation = fused


def source_loss(
    learner: Callable[..., Tensor], rtn: Any, inputs: Mapping[str, Tensor], loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """L_s(θ, φ), a scalar: of one pass through all insertion layers, or of one a layer, mixed as the RTN says.

    `rtn` is an RTN or stands in for one (`Changes`, `HeldChanges`); `loss` takes the logits.
    """
    weights = rtn.mix()
    if weights is None:
        return loss(learner(inputs, rtn))
    losses = torch.stack([loss(learner(inputs, rtn, index)) for index in range(len(weights))])
    mixed: Tensor = (weights * losses).sum()
    return mixed
