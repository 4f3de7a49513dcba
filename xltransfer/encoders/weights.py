"""Load an encoder's weights without the head that they may come with, and check what was loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from torch import Tensor, nn

from xltransfer.errors import EncoderError

_HEADS = ("classifier", "pre_classifier", "qa_outputs", "score")
"""Modules that only a model fine-tuned for a task has."""


def saved_heads(folder: Path) -> list[str]:
    """List the modules of a task's head that a folder's weights hold; empty for a pretrained encoder."""
    return sorted({name.partition(".")[0] for name, _ in _weights(folder, read=False)} & {*_HEADS})


def load_without_head(folder: Path, auto_class: str, config: Any, **options: Any) -> Any:
    """Load the encoder of a fine-tuned checkpoint below a new head, as if the folder held the encoder alone.

    `config` describes encoder and head. The head is drawn from torch's random state, as for any encoder.
    """
    auto = getattr(transformers, auto_class)
    with torch.device("meta"):
        kind = type(auto.from_config(config))
    own = f"{kind.base_model_prefix}."
    state = {name: weight for name, weight in _weights(folder) if name.partition(".")[0] not in _HEADS}
    state = {name: weight for name, weight in state.items() if name.startswith(own)} or state
    return kind.from_pretrained(None, config=config, state_dict=state, **options)


def check_loaded(name: str, model: Any, info: Mapping[str, Any], *, new_head: bool) -> None:
    """Raise EncoderError if weights are of another size than configured, lacking, or not finite.

    `info` is the loading information of transformers. With `new_head`, head and pooler may be lacking.
    """
    if wrong := sorted(key for key, *_ in info["mismatched_keys"]):
        raise EncoderError(
            f"encoder {name!r}: {wrong[0]} has another size in the weights than in config.json; the two are not of "
            "one model. Fetch both again."
        )
    own = f"{model.base_model_prefix}."
    new = {key for key in info["missing_keys"] if new_head and (not key.startswith(own) or "pooler" in key)}
    if lacking := sorted({*info["missing_keys"]} - new):
        raise EncoderError(
            f"encoder {name!r}: its weights lack {len(lacking)} of those it needs, {lacking[0]} for one; it is not "
            "complete, or of another architecture than config.json says. Fetch it again."
        )
    _check_finite(name, model)


def _check_finite(name: str, model: nn.Module) -> None:
    for key, parameter in model.named_parameters():
        finite = torch.isfinite(parameter)
        if not finite.all():
            wrong = finite.numel() - int(finite.sum())
            raise EncoderError(
                f"encoder {name!r}: {wrong:,} of {finite.numel():,} values of {key} are NaN or infinite; the file is "
                "damaged, or its training diverged. Fetch it again, or take another checkpoint."
            )


def _weights(folder: Path, read: bool = True) -> Iterator[tuple[str, Tensor | None]]:
    """Yield names and weights from the file, or its shards; None for each weight unless they are to be read."""
    whole = folder / "model.safetensors"
    for file in [whole] if whole.is_file() else sorted(folder.glob("*.safetensors")):
        with safetensors.safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  (no mapping)
                yield name, opened.get_tensor(name) if read else None
