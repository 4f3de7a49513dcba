"""Split raw text into words."""

from __future__ import annotations

from functools import cache
from typing import Any

Offsets = tuple[int, int]
"""Start and end of a word in its text, in characters."""


def word_offsets(text: str) -> list[Offsets]:
    """Find the words and punctuation marks of a text of any script, as BERT's pre-tokenizer does."""
    return [offsets for _, offsets in _splitter().pre_tokenize_str(text)]


def split_words(text: str) -> list[str]:
    """Split a text into words and punctuation marks."""
    return [text[start:end] for start, end in word_offsets(text)]


@cache
def _splitter() -> Any:
    from tokenizers.pre_tokenizers import BertPreTokenizer

    return BertPreTokenizer()
