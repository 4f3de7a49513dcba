"""Build small randomly initialised encoders, one per row of the layout table."""

from __future__ import annotations

from typing import Any

import transformers
from torch import nn

HIDDEN, LAYERS, VOCABULARY, LABELS = 16, 3, 40, 5

_SHARED = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": VOCABULARY,
    "pad_token_id": 1,
    "num_labels": LABELS,
}
_SPECIFIC: dict[str, dict[str, Any]] = {
    "bert": {},
    "camembert": {"max_position_embeddings": 40},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "conv_kernel_size": 3,
        "position_biased_input": False,
    },
    "distilbert": {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 32},
    "electra": {"embedding_size": 8},
    "modernbert": {
        "global_attn_every_n_layers": 2,
        "local_attention": 8,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    },
    "mpnet": {"max_position_embeddings": 40},
    "rembert": {"input_embedding_size": 8, "output_embedding_size": 8, "bos_token_id": 0, "eos_token_id": 2},
    "roberta": {"max_position_embeddings": 40},
    "xlm-roberta": {"max_position_embeddings": 40},
    "xlm-roberta-xl": {"max_position_embeddings": 40},
}


def small_model(model_type: str, auto_class: str = "AutoModelForTokenClassification") -> Any:
    """A model of an architecture with eager attention, in training mode."""
    options = {**_SHARED, **_SPECIFIC[model_type]}
    if model_type == "distilbert":
        for alias in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            options.pop(alias)
    config = transformers.AutoConfig.for_model(model_type, **options)
    model = getattr(transformers, auto_class).from_config(config, attn_implementation="eager").train()
    return _in_float64_throughout(model)


def _in_float64_throughout(model: Any) -> Any:
    """DeBERTa's own layer normalisation computes in float32 whatever it is given; torch's does not."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__ == "DebertaLayerNorm":
                setattr(module, name, nn.LayerNorm(HIDDEN, child.variance_epsilon))
    return model
