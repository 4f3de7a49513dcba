"""Words of which a tokenizer leaves nothing: the sentence keeps all its places, and its entities stay whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import PreTrainedTokenizerFast

from tests.conftest import shared
from xltransfer.data.batching import IGNORED
from xltransfer.data.examples import TaggedSentence
from xltransfer.encoders.loading import open_encoder
from xltransfer.tasks.ner import NER

LABELS = ["O", "B-PER", "I-PER"]
ZERO_WIDTH, UNASSIGNED, NO_BREAK, IDEOGRAPHIC = "\u200b", "\u0378", "\u00a0", "\u3000"


def bert() -> Any:
    """BERT's tokenizer, which drops control, zero-width and unassigned characters, on a vocabulary of letters."""
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    pieces = [*special.values(), "anna", "maria", "##s", "sings"]
    tokenizer = BertWordPieceTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, **special)


def xlmr() -> Any:
    return open_encoder(str(shared("encoders/xlmr-mini"))).tokenizer


def sentence(*words: str) -> TaggedSentence:
    tags = ["O", "B-PER", *["I-PER"] * (len(words) - 3), "O"]
    return TaggedSentence("1", words, tuple(tags[: len(words)]))


@pytest.mark.parametrize("tokenizer", [bert, xlmr])
@pytest.mark.parametrize("word", [ZERO_WIDTH, UNASSIGNED, NO_BREAK, IDEOGRAPHIC])
@pytest.mark.parametrize("place", range(5))
def test_vanishing_word_counts_as_unknown_and_keeps_its_tag(tokenizer: Any, word: str, place: int) -> None:
    words = ["sings", "Anna", "Maria", "Marias", "sings"]
    words[place] = word
    (encoded,) = NER().encode([sentence(*words)], LABELS, tokenizer(), 64)
    assert not encoded.cut
    assert list(encoded.words) == sorted(set(encoded.words))
    assert [encoded.labels[position] for position in encoded.words] == [0, 1, 2, 2, 0]  # type: ignore[index]
    ids = torch.tensor(encoded.labels).clamp(min=0)
    assert NER().decode(torch.nn.functional.one_hot(ids)[None].float(), [encoded], LABELS) == [
        ["O", "B-PER", "I-PER", "I-PER", "O"]
    ]


def test_sentence_of_vanishing_words_alone() -> None:
    (encoded,) = NER().encode([sentence(ZERO_WIDTH, UNASSIGNED, NO_BREAK)], LABELS, bert(), 64)
    assert encoded.features["input_ids"] == [1, 0, 0, 0, 2]
    assert encoded.labels == [IGNORED, 0, 1, 0, IGNORED]


@pytest.mark.parametrize("length, kept", [(4, 2), (5, 3), (6, 4), (7, 5)])
def test_truncation_cuts_vanishing_words_like_others(length: int, kept: int) -> None:
    words = sentence("sings", ZERO_WIDTH, "Anna", ZERO_WIDTH, "sings")
    (encoded,) = NER().encode([words], LABELS, bert(), length)
    assert encoded.words == (1, 2, 3, 4, 5)[:kept] + (-1,) * (5 - kept)
    assert len(encoded.features["input_ids"]) == kept + 2


def test_neighbours_of_such_a_sentence_stay_as_they_are() -> None:
    ordinary = sentence("sings", "Anna", "sings")
    alone = NER().encode([ordinary], LABELS, bert(), 64)
    assert NER().encode([ordinary, sentence(ZERO_WIDTH, "Anna"), ordinary], LABELS, bert(), 64)[::2] == alone * 2


def test_without_an_unknown_token_the_word_is_told_as_lost() -> None:
    tokenizer = bert()
    tokenizer.unk_token = None
    (encoded,) = NER().encode([sentence("sings", ZERO_WIDTH, "sings")], LABELS, tokenizer, 64)
    assert encoded.words == (1, -1, 2)
    assert encoded.cut
