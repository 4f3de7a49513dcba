"""Check that the tokenizer and the weights of an encoder can work, before anything is trained with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xltransfer.errors import EncoderError

_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.bpe", "*.tiktoken")


def require_tokenizer_files(folder: Path) -> None:
    """Raise EncoderError if a folder has no tokenizer: transformers would make one that knows no word."""
    if not any(next(folder.glob(pattern), None) for pattern in _TOKENIZER_FILES):
        raise EncoderError(
            f"it holds no tokenizer; allowed: {', '.join(_TOKENIZER_FILES[:2])} or a .model file. Copy the tokenizer's "
            "files from where the encoder comes from."
        )


def check_tokenizer(name: str, tokenizer: Any, config: Any) -> None:
    """Raise EncoderError if a tokenizer knows no words, has ids without an embedding, or lacks special tokens."""
    what = f"encoder {name!r}: its tokenizer"
    special = set(tokenizer.all_special_ids)
    vocabulary = tokenizer.get_vocab()
    if len(vocabulary) <= len(special):
        raise EncoderError(f"{what} knows {len(special)} special tokens and no words; its files are not complete.")
    rows, largest = getattr(config, "vocab_size", None), max(vocabulary.values())
    if rows is not None and largest >= rows:
        piece = next(piece for piece, number in vocabulary.items() if number == largest)
        raise EncoderError(
            f"{what} has ids up to {largest} ({piece[:40]!r}), and the embedding matrix {rows} rows; allowed: ids up "
            f"to {rows - 1}. It is another encoder's, or tokens were added without resizing the embeddings."
        )
    if not tokenizer.num_special_tokens_to_add():
        raise EncoderError(
            f"{what} puts no special tokens around a text, such as [CLS] and [SEP], with which the encoder was "
            "trained. Take tokenizer.json from where the encoder comes from: its post_processor is missing."
        )
    for role in ("pad", "cls", "sep"):
        number = getattr(tokenizer, f"{role}_token_id")
        if number is not None and number not in vocabulary.values():
            raise EncoderError(f"{what} has no piece for its {role} token (id {number}); its files are not complete.")


def check_finite(name: str, model: nn.Module) -> None:
    """Raise EncoderError if a weight is NaN or infinite."""
    for key, parameter in model.named_parameters():
        finite = torch.isfinite(parameter)
        if not finite.all():
            wrong = finite.numel() - int(finite.sum())
            raise EncoderError(
                f"encoder {name!r}: {wrong:,} of {finite.numel():,} values of {key} are NaN or infinite; the file is "
                "damaged, or its training diverged. Fetch it again, or take another checkpoint."
            )


@torch.no_grad()
def renew_head(name: str, model: Any, info: dict[str, Any]) -> str:
    """Initialise a head that a checkpoint brought along, from torch's random state; return what it was, or "".

    `info` is the loading info of transformers. Raises EncoderError if sizes of the encoder itself do not fit.
    """
    prefix = f"{model.base_model_prefix}."
    mismatched = {_key(entry) for entry in info["mismatched_keys"]}
    if inside := sorted(key for key in mismatched if key.startswith(prefix)):
        raise EncoderError(
            f"encoder {name!r}: {inside[0]} has another size in the weights than in config.json; the two are not of "
            "one model. Fetch both again."
        )
    missing = {_key(entry) for entry in info["missing_keys"]}
    if lacking := sorted(key for key in missing if key.startswith(prefix) and "pooler" not in key):
        raise EncoderError(
            f"encoder {name!r}: its weights lack {len(lacking)} of the encoder's own, {lacking[0]} for one; it is not "
            "complete, or of another architecture than config.json says. Fetch it again."
        )
    new = missing | mismatched
    head = {key for key, _ in model.named_parameters() if not key.startswith(prefix)}
    brought = head - new
    for key in sorted(brought):
        module = model.get_submodule(key.rpartition(".")[0])
        parameter = model.get_parameter(key)
        if key.endswith("bias"):
            parameter.zero_()
        elif isinstance(module, nn.Linear):
            parameter.normal_(std=getattr(model.config, "initializer_range", 0.02))
        else:
            parameter.fill_(1.0)
    return _head(brought | (mismatched & head), info["unexpected_keys"], prefix)


def _key(entry: Any) -> str:
    return str(entry[0] if isinstance(entry, tuple | list) else entry)


def _head(brought: Iterable[str], unexpected: Iterable[Any], prefix: str) -> str:
    """Names the modules of a checkpoint's own task."""
    others = (_key(entry) for entry in unexpected)
    names = {key.partition(".")[0] for key in (*brought, *(key for key in others if not key.startswith(prefix)))}
    tasks = sorted(name for name in names if name in ("classifier", "score", "qa_outputs", "pre_classifier"))
    return f"head ({', '.join(tasks)})" if tasks else ""
