"""Count the words that a tokenizer does not know."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from xltransfer.data.batching import Encoded

_WORD_START = "▁"
"""SentencePiece's mark of a new word, a subword of its own before an unknown one."""


def unknown_share(sentences: Sequence[Encoded], tokenizer: Any) -> float:
    """Return the share of words with an unknown subword; of texts, whose words are not aligned, that of subwords.

    0 for a tokenizer without an unknown token of its own, such as a byte-level one.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        return 0.0
    start = tokenizer.convert_tokens_to_ids(_WORD_START)
    found = total = 0
    for sentence in sentences:
        ids = sentence.features["input_ids"]
        if isinstance(sentence.labels, int):
            marks = sum(pair == (start, unknown) for pair in pairwise(ids)) if start != unknown else 0
            found, total = found + ids.count(unknown), total + len(ids) - 2 - marks
            continue
        starts = [place for place in sentence.words if place >= 0]
        ends = [*starts[1:], len(ids)]
        total += len(starts)
        if unknown in ids:
            found += sum(unknown in ids[start:end] for start, end in zip(starts, ends, strict=True))
    return found / max(1, total)
