"""Table of where each Hugging Face architecture keeps its encoder layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from xltransfer.errors import EncoderError


@dataclass(frozen=True)
class Layout:
    """Attribute paths below `model.base_model`.

    `layers`: the module list; its entry l receives h_l. `exit`: the module whose output is h_L, where it is not the
    last layer. `entry`: the module whose output is h_0, where something beside layer 0 reads it too.
    `padded_positions`: position ids start after the padding id, so that many positions fewer can be used.
    """

    layers: str
    exit: str | None = None
    entry: str | None = None
    padded_positions: bool = False


_BERT = Layout(layers="encoder.layer")
_ROBERTA = Layout(layers="encoder.layer", padded_positions=True)

LAYOUTS: dict[str, Layout] = {
    "bert": _BERT,
    "camembert": _ROBERTA,
    "deberta": _BERT,
    "deberta-v2": Layout(layers="encoder.layer", entry="embeddings"),  # its convolution reads h_0 beside layer 0
    "distilbert": Layout(layers="transformer.layer"),
    "electra": _BERT,
    "modernbert": Layout(layers="layers", exit="final_norm"),
    "mpnet": _ROBERTA,
    "rembert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "xlm-roberta-xl": Layout(layers="encoder.layer", exit="encoder.LayerNorm", padded_positions=True),
}


def layout_for(model_type: str) -> Layout:
    """Look up the row of `config.model_type`. Raises EncoderError."""
    if model_type not in LAYOUTS:
        raise EncoderError(
            f"encoder: architecture {model_type!r} is not in the layout table; allowed: {', '.join(sorted(LAYOUTS))}. "
            "A row in xltransfer/encoders/layouts.py that says where its layers are adds it."
        )
    return LAYOUTS[model_type]


def layer_count(config: Any) -> int:
    """The number of layers L of a Hugging Face configuration."""
    return int(config.num_hidden_layers)


def longest_input(config: Any) -> int:
    """The largest number of subwords, special tokens included, for which there are positions."""
    offset = config.pad_token_id + 1 if layout_for(config.model_type).padded_positions else 0
    return int(config.max_position_embeddings) - offset


def layers_of(base: nn.Module, layout: Layout) -> nn.ModuleList:
    """The encoder's layer list."""
    layers = base.get_submodule(layout.layers)
    assert isinstance(layers, nn.ModuleList)
    return layers
