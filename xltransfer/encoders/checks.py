"""Check that the tokenizer of an encoder can work, before anything is trained with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xltransfer.errors import EncoderError

_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.bpe", "*.tiktoken")
_ENDS = (("cls", "bos"), ("sep", "eos"))
"""The special tokens before and after each text; either of a pair will do."""


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
    for role in ("pad", "cls", "sep"):
        number = getattr(tokenizer, f"{role}_token_id")
        if number is not None and number not in vocabulary.values():
            raise EncoderError(f"{what} has no piece for its {role} token (id {number}); its files are not complete.")
    ids = tokenizer("a")["input_ids"]
    for roles, outermost in zip(_ENDS, (ids[:1], ids[-1:]), strict=True):
        known = {getattr(tokenizer, f"{role}_token_id") for role in roles} - {None}
        if not known:
            raise EncoderError(
                f"{what} has neither {roles[0]}_token nor {roles[1]}_token, one of which the encoder was trained with; "
                "tokenizer_config.json has to name it."
            )
        if not known & set(outermost):
            raise EncoderError(
                f"{what} puts no special tokens around a text, such as [CLS] and [SEP], with which the encoder was "
                f"trained: 'a' is read as {tokenizer.convert_ids_to_tokens(ids)}. Take tokenizer.json from where the "
                "encoder comes from: its post_processor is missing."
            )
