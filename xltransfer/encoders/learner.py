"""The learner: a Hugging Face encoder with its task head (θ), and the insertion layers of an RTN (φ)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.encoders.compilation import compile_layers
from xltransfer.encoders.insertion import inserted
from xltransfer.encoders.layouts import layers_of, layout_for
from xltransfer.encoders.recomputation import attention_set, recomputed
from xltransfer.rtns.base import RTN
from xltransfer.rtns.changes import Change, Changes, HeldChanges
from xltransfer.utils.parameters import trainable


class Learner(nn.Module):
    """Encoder and head. Called without an RTN (target passes, evaluation) it is the plain model."""

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.layers = tuple(layers)
        self.layout = layout_for(model.config.model_type)
        self.recompute = False
        """Whether activations are computed again in the backward pass instead of being kept."""
        self.compiled = False

    def compile_layers(self, compiler: str = "inductor") -> None:
        """Compile every encoder layer; not together with `recompute`."""
        compile_layers(self.model.base_model, self.layout, compiler)
        self.compiled = True

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
        kept_small = self.recompute and torch.is_grad_enabled()
        with recomputed(self.model.base_model, self.layout) if kept_small else nullcontext():
            logits: Tensor = self.model(**inputs, return_dict=True).logits
        return logits


def layer_factors(learner: Learner, decay: float) -> dict[str, float]:
    """Factors of the learning rate by parameter: 1 for the head, `decay` less with each layer below it.

    Embeddings have `decay` to the power L + 1, the layer that reads them L, the last layer 1 (Howard and Ruder 2018;
    Clark et al. 2020, ELECTRA). What lies beside the layers has 1.
    """
    base = f"model.{learner.model.base_model_prefix}."
    layers = f"{base}{learner.layout.layers}."
    count = len(layers_of(learner.model.base_model, learner.layout))
    factors = {}
    for name in trainable(learner):
        above = 0
        if name.startswith(layers):
            above = count - int(name.removeprefix(layers).partition(".")[0])
        elif name.startswith(f"{base}embeddings"):
            above = count + 1
        factors[name] = decay**above
    return factors


@contextmanager
def plain_passes(learner: Any) -> Iterator[None]:
    """Context in which passes can be differentiated twice: no fused attention, nothing compiled."""
    config = getattr(getattr(learner, "model", None), "config", None)
    with (
        nullcontext() if config is None else attention_set(config, "eager"),
        torch.compiler.set_stance("force_eager") if getattr(learner, "compiled", False) else nullcontext(),
    ):
        yield


def cached_casts(learner: nn.Module) -> AbstractContextManager[object]:
    """Context in which autocast casts each weight once for all passes.

    Its cache lives until the outermost autocast ends. That is this one, which casts nothing itself. No parameter may
    be changed within.
    """
    device = next(learner.parameters()).device.type
    return torch.autocast(device, enabled=False)


def source_loss(
    learner: Callable[..., Tensor],
    rtn: Any,
    inputs: Mapping[str, Tensor],
    loss: Callable[[Tensor], Tensor],
    losses: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
) -> Tensor:
    """Compute L_s(θ, φ): one pass through all insertion layers, or one per layer mixed by the RTN's weights.

    `rtn` is an RTN or stands in for one (`Changes`, `HeldChanges`); `loss` takes the logits. Where the RTN weighs
    (`RTN.weights`), `losses` is called instead: it gives the loss of each label, and where there is one, both (batch,)
    or (batch, time).
    """
    if rtn.weighs:
        if losses is None:
            raise ValueError("source_loss: an RTN that weighs needs the loss of each label; give losses too.")
        rtn = Changes(rtn) if isinstance(rtn, RTN) else rtn  # for the cut, and the states at the last layer
        loss = partial(_weighted_mean, rtn, losses)
    weights = rtn.mix()
    if weights is None:
        return loss(learner(inputs, rtn))
    passes = torch.stack([loss(learner(inputs, rtn, index)) for index in range(len(weights))])
    mixed: Tensor = (weights * passes).sum()
    return mixed


def _weighted_mean(
    rtn: Changes | HeldChanges, losses: Callable[[Tensor], tuple[Tensor, Tensor]], logits: Tensor
) -> Tensor:
    """Over labels, of weight · loss; NaN, as a plain mean, where there is none."""
    found, labelled = losses(logits)
    return (rtn.weights_for(found, labelled) * found).sum() / labelled.sum()
