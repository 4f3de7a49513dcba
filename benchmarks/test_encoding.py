"""Encoding against the bare tokenizer, from the words and from the cache: 5,000 English sentences where they are there.

`make bench` prints the table; what to read is the ratio to `tokenizer alone`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xltransfer.data.encoding_cache import cache_key, load_or_encode
from xltransfer.datasets.folder import Folder
from xltransfer.datasets.synthetic.dataset import Synthetic
from xltransfer.encoders.loading import open_encoder
from xltransfer.tasks.ner import NER

SHARED = Path(__file__).parents[2] / "shared"
LENGTH = 128


def job() -> tuple[Any, list[Any], Any]:
    """Task, sentences and tokenizer."""
    task = NER()
    if SHARED.exists():
        sentences = Folder(SHARED / "data/ner", 42).load(task, "en", "train")[:5000]
        return task, sentences, open_encoder(str(SHARED / "encoders/xlmr-mini")).tokenizer
    return task, Synthetic().load(task, "base", "train"), open_encoder("tiny").tokenizer


def ways() -> dict[str, Callable[[], object]]:
    """What is compared."""
    task, sentences, tokenizer = job()
    labels, words = task.label_set(sentences), [list(sentence.words) for sentence in sentences]

    def encode() -> Any:
        return task.encode(sentences, labels, tokenizer, LENGTH)

    return {
        "tokenizer alone": lambda: tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=LENGTH, return_attention_mask=True
        ),
        "encode": encode,
        "from the cache": lambda: load_or_encode(cache_key(sentences, tokenizer, "ner", labels, LENGTH), encode),
    }


@pytest.mark.benchmark(group="encoding")
@pytest.mark.parametrize("way", ["tokenizer alone", "encode", "from the cache"])
def test_encoding(benchmark: Any, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    benchmark.pedantic(ways()[way], rounds=15, iterations=1, warmup_rounds=2)
