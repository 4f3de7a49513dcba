"""Split long tagged sentences into windows that fit the encoder, so that no word is truncated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from xltransfer.data.examples import TaggedSentence


def split_into_windows(
    sentences: Sequence[TaggedSentence], tokenizer: Any, max_length: int
) -> tuple[list[TaggedSentence], list[bool]]:
    """Return windows of at most `max_length` subwords, special tokens included, and whether each is a continuation.

    A window has as many whole words as fit. A single word that is longer gets its own window and is truncated.
    """
    limit = max_length - tokenizer.num_special_tokens_to_add()
    pieces: list[TaggedSentence] = []
    continues: list[bool] = []
    for sentence, sizes in zip(sentences, _subwords(tokenizer, sentences), strict=True):
        for number, (start, end) in enumerate(_spans(sizes, limit)):
            pieces.append(TaggedSentence(sentence.id, sentence.words[start:end], sentence.tags[start:end]))
            continues.append(number > 0)
    return pieces, continues


def _subwords(tokenizer: Any, sentences: Sequence[TaggedSentence]) -> list[list[int]]:
    """Count the subwords of each word. A word without subwords counts as one, the unknown token."""
    words = [list(sentence.words) for sentence in sentences]
    tokenizer.backend_tokenizer.no_truncation()  # otherwise the truncation of an earlier call is still set
    encodings = tokenizer.backend_tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=False)
    counts = [Counter(word for word in encoding.word_ids if word is not None) for encoding in encodings]
    return [[max(1, count[n]) for n in range(len(row))] for count, row in zip(counts, words, strict=True)]


def _spans(sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    spans, start, used = [], 0, 0
    for n, size in enumerate(sizes):
        if n > start and used + size > limit:
            spans.append((start, n))
            start, used = n, 0
        used += size
    return [*spans, (start, len(sizes))]
