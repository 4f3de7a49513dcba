"""Encoded once: the same from disk, made anew for anything that matters, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from xltransfer.data.batching import Encoded
from xltransfer.data.encoding_cache import FOLDER, cache_key, load_or_encode
from xltransfer.data.examples import LabelledText, TaggedSentence
from xltransfer.encoders.loading import open_encoder
from xltransfer.utils.cache import cache_folder

TAGGED = [Encoded({"input_ids": [0, 5, 2], "attention_mask": [1, 1, 1]}, [-100, 3, -100], (1, -1)),
          Encoded({"input_ids": [0, 2], "attention_mask": [1, 1]}, [-100, -100], (), continues=True)]  # fmt: skip
TEXTS = [Encoded({"input_ids": [0, 7, 2]}, 1), Encoded({"input_ids": [0, 2]}, -100, (-1,))]
SENTENCE = TaggedSentence("a:1", ("Abuja", "."), ("B-LOC", "O"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))


def refuse() -> list[Encoded]:
    raise AssertionError("encoded again")


@pytest.mark.parametrize("encoded", [TAGGED, TEXTS, []], ids=["tagged", "texts", "none"])
def test_the_same_comes_back_without_encoding(encoded: list[Encoded]) -> None:
    assert load_or_encode("key", lambda: encoded) == encoded
    if encoded:
        assert load_or_encode("key", refuse) == encoded
        with pytest.raises(AssertionError, match="encoded again"):
            load_or_encode("another", refuse)


def test_a_damaged_file_is_made_anew() -> None:
    load_or_encode("key", lambda: TAGGED)
    (file,) = (cache_folder() / FOLDER).iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" + whole):
        file.write_bytes(damaged)
        assert load_or_encode("key", lambda: TAGGED) == TAGGED
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "file"))
    assert load_or_encode("key", lambda: TEXTS) == TEXTS


def test_the_key_is_of_everything_that_matters() -> None:
    tokenizer = open_encoder("tiny").tokenizer
    other = open_encoder("tiny").tokenizer
    other.add_tokens(["qqq"])
    keys = [
        cache_key([SENTENCE], tokenizer, "ner", {}, ("O", "B-LOC"), 128),
        cache_key([TaggedSentence("a:1", ("Abuja .", ""), ("B-LOC", "O"))], tokenizer, "ner", {}, ("O", "B-LOC"), 128),
        cache_key([TaggedSentence("a:1", ("Abuja", "."), ("O", "O"))], tokenizer, "ner", {}, ("O", "B-LOC"), 128),
        cache_key([SENTENCE, SENTENCE], tokenizer, "ner", {}, ("O", "B-LOC"), 128),
        cache_key([SENTENCE], other, "ner", {}, ("O", "B-LOC"), 128),
        cache_key([SENTENCE], tokenizer, "pos", {}, ("O", "B-LOC"), 128),
        cache_key([SENTENCE], tokenizer, "ner", {"long": "window"}, ("O", "B-LOC"), 128),
        cache_key([SENTENCE], tokenizer, "ner", {}, ("B-LOC", "O"), 128),
        cache_key([SENTENCE], tokenizer, "ner", {}, ("O", "B-LOC"), 64),
        cache_key([LabelledText("a:1", "Abuja .", "O")], tokenizer, "ner", {}, ("O", "B-LOC"), 128),
    ]
    assert len(set(keys)) == len(keys)
    moved = TaggedSentence("b:9", SENTENCE.words, SENTENCE.tags)  # where a sentence stands does not matter
    assert cache_key([moved], tokenizer, "ner", {}, ("O", "B-LOC"), 128) == keys[0]
