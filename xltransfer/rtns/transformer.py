"""A transformer layer of the encoder's own kind as RTN (an alternative in the released code)."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
import transformers
from torch import Tensor, nn

from xltransfer.registry import Bounds
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.mlp import NEAR_ZERO_GAIN


class Transformer(RTN):
    """A freshly initialised encoder of one layer, then a projection to the change.

    The encoder's own code makes attention masks, relative positions and rotations, whatever its architecture.
    """

    def __init__(self, encoder: nn.Module, dim: int, gain: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(dim, dim)
        nn.init.xavier_normal_(self.project.weight, gain=gain)
        nn.init.zeros_(self.project.bias)

    @classmethod
    def build(  # type: ignore[override]  # options are checked by name before
        cls,
        info: RTNInfo,
        *,
        gain: Annotated[
            float, "of the projection's initialisation; near zero starts as joint training", Bounds(0, 1e6)
        ] = NEAR_ZERO_GAIN,
    ) -> RTN:
        return cls(one_layer(info.encoder_config), info.dim, gain)

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """The change, shape (batch, time, dim); padding is not attended to."""
        tokens = hidden * mask.unsqueeze(-1).to(hidden.dtype)  # DeBERTa-v2 convolves over neighbours, padding too
        states = self.encoder(inputs_embeds=tokens, attention_mask=mask).last_hidden_state
        change: Tensor = self.project(states)
        return change


def one_layer(encoder_config: Any) -> nn.Module:
    """An encoder of one layer whose `inputs_embeds` are the layer's input as they stand."""
    config = copy.deepcopy(encoder_config)
    config.num_hidden_layers = 1
    config.vocab_size = (config.pad_token_id or 0) + 1  # its word embedding is thrown away
    for name in ("embedding_size", "input_embedding_size"):
        if hasattr(config, name):
            setattr(config, name, config.hidden_size)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:1]
    encoder: Any = transformers.AutoModel.from_config(config, attn_implementation="eager", dtype=torch.float32)
    encoder.embeddings = _AsGiven()
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    for owner in (encoder, getattr(encoder, "encoder", None)):
        for projection in ("embeddings_project", "embedding_hidden_mapping_in"):  # ELECTRA, RemBERT
            if hasattr(owner, projection):
                setattr(owner, projection, nn.Identity())
    module: nn.Module = encoder
    return module


class _AsGiven(nn.Module):
    """Replaces the embeddings."""

    def forward(self, *args: Any, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        """`inputs_embeds` unchanged, (batch, time, dim)."""
        given: Tensor = args[1] if inputs_embeds is None else inputs_embeds  # DistilBERT gives it by position
        return given
