"""Count the words that a tokenizer does not know."""

from __future__ import annotations

from collections.abc import Sequence

from xltransfer.data.batching import Encoded


def unknown_share(sentences: Sequence[Encoded], unknown: int | None) -> float:
    """Return the share of words with an unknown subword; of texts, whose words are not aligned, that of subwords.

    `unknown` is the id of unknown subwords, None if the tokenizer has none.
    """
    found = total = 0
    for sentence in sentences:
        ids = sentence.features["input_ids"]
        if isinstance(sentence.labels, int):
            found, total = found + ids.count(unknown), total + len(ids) - 2  # type: ignore[arg-type]
            continue
        starts = [place for place in sentence.words if place >= 0]
        ends = [*starts[1:], len(ids)]
        total += len(starts)
        if unknown in ids:
            found += sum(unknown in ids[start:end] for start, end in zip(starts, ends, strict=True))
    return found / max(1, total)
