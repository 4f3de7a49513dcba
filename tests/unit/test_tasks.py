"""Encoding, scores and the synthetic languages."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import shared
from xltransfer.data.batching import IGNORED, Collator, endless_order, epoch_order, split_batch
from xltransfer.data.examples import LabelledText, TaggedSentence
from xltransfer.data.sampling import sample
from xltransfer.datasets.synthetic.dataset import DISTANCES, Synthetic
from xltransfer.encoders.loading import open_encoder
from xltransfer.errors import DataError
from xltransfer.tasks.base import Task
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS
from xltransfer.tasks.sentiment import Sentiment

LABELS = ["O", "B-PER", "I-PER"]
SENTENCE = TaggedSentence("1", ("Vobas", "Tage", "Nararsan", "rakemer", "."), ("O", "B-PER", "I-PER", "O", "O"))


@pytest.mark.parametrize("encoder", ["tiny", "xlmr-mini"])
def test_tags_stand_at_first_subwords_and_special_tokens_stay(encoder: str) -> None:
    files = open_encoder("tiny" if encoder == "tiny" else str(shared("encoders/xlmr-mini")))
    (encoded,) = NER().encode([SENTENCE], LABELS, files.tokenizer, 64)
    ids = encoded.features["input_ids"]
    assert (ids[0], ids[-1]) == (files.tokenizer.cls_token_id, files.tokenizer.sep_token_id)
    assert [encoded.labels[position] for position in encoded.words] == [0, 1, 2, 0, 0]  # type: ignore[index]
    assert sum(label != IGNORED for label in encoded.labels) == 5  # type: ignore[union-attr]
    for position, word in zip(encoded.words, SENTENCE.words, strict=True):
        assert word.startswith(files.tokenizer.convert_ids_to_tokens(ids[position]).strip("▁"))


@pytest.mark.parametrize("encoder", ["tiny", "xlmr-mini"])
@pytest.mark.parametrize("max_length", [6, 64])
def test_features_are_those_of_the_tokenizer_itself(encoder: str, max_length: int) -> None:
    tokenizer = open_encoder("tiny" if encoder == "tiny" else str(shared("encoders/xlmr-mini"))).tokenizer
    sentences = [SENTENCE, TaggedSentence("2", ("Vobas",), ("O",)), TaggedSentence("3", ("12", "a-b"), ("O", "O"))]
    found = NER().encode(sentences, LABELS, tokenizer, max_length)
    expected = tokenizer([list(sentence.words) for sentence in sentences], is_split_into_words=True, truncation=True,
                         max_length=max_length, return_attention_mask=True)  # fmt: skip
    assert [dict(one.features) for one in found] == [
        {name: column[row] for name, column in expected.items()} for row in range(len(sentences))
    ]
    for row, (one, sentence) in enumerate(zip(found, sentences, strict=True)):
        spans = [expected.word_to_tokens(row, word) for word in range(len(sentence.words))]
        assert one.words == tuple(-1 if span is None else span.start for span in spans)


def test_a_tag_outside_the_label_set_takes_no_part_in_the_loss() -> None:
    sentence = TaggedSentence("1", SENTENCE.words, ("O", "B-PER", "B-NEW", "O", "O"))
    (encoded,) = NER().encode([sentence], LABELS, open_encoder("tiny").tokenizer, 64)
    assert [encoded.labels[position] for position in encoded.words] == [0, 1, IGNORED, 0, 0]  # type: ignore[index]


def test_truncation_keeps_the_final_special_token_and_is_seen() -> None:
    files = open_encoder("tiny")
    long = TaggedSentence("1", SENTENCE.words * 10, SENTENCE.tags * 10)
    (encoded,) = NER().encode([long], LABELS, files.tokenizer, 12)
    assert len(encoded.features["input_ids"]) == 12
    assert encoded.features["input_ids"][-1] == files.tokenizer.sep_token_id
    assert encoded.cut
    assert len(encoded.words) == 50
    (text,) = Sentiment().encode(
        [LabelledText("1", " ".join(long.words), "positive")], ["positive"], files.tokenizer, 12
    )
    assert text.cut
    assert text.features["input_ids"][-1] == files.tokenizer.sep_token_id


def test_padding_and_halves() -> None:
    files = open_encoder("tiny")
    short = TaggedSentence("2", ("Vobas",), ("O",))
    encoded = NER().encode([SENTENCE, short, short], LABELS, files.tokenizer, 64)
    batch = Collator(files.padding)(encoded)
    assert batch.inputs["input_ids"][1, -1] == files.tokenizer.pad_token_id
    assert batch.inputs["attention_mask"].sum(1).tolist() == [len(e.features["input_ids"]) for e in encoded]
    support, query = split_batch(batch, 1)
    assert (len(support), len(query)) == (1, 2)
    assert query.inputs["input_ids"].shape[1] == len(encoded[1].features["input_ids"])
    assert support.weight + query.weight == batch.weight == 7


def test_entity_f1_by_hand() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "O"]]
    predicted = [["B-PER", "I-PER", "O", "B-ORG"], ["B-ORG", "B-LOC"]]
    scores = NER().score(gold, predicted)
    assert scores.precision == pytest.approx(2 / 4)
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx(4 / 7)
    assert scores.accuracy == pytest.approx(4 / 6)


def test_macro_f1_by_hand() -> None:
    scores = Sentiment().score(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    assert scores.f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.accuracy == 0.75
    assert POS().score([["X", "Y"]], [["X", "_"]]).accuracy == 0.5


def test_majority_names_the_most_frequent_label() -> None:
    assert NER().majority([SENTENCE], [SENTENCE]) == [["O"] * 5]
    texts = [LabelledText("1", "x", label) for label in ("b", "a", "b")]
    assert Sentiment().majority(texts, texts[:2]) == ["b", "b"]


@pytest.mark.parametrize("task, shape", [(NER(), (3, 4)), (POS(), (3, 4)), (Sentiment(), (6,))])
def test_the_loss_is_the_mean_of_the_losses(task: Task, shape: tuple[int, ...]) -> None:
    """Each −log softmax, by hand; 0 where there is no label."""
    torch.manual_seed(0)
    logits, labels = torch.randn(*shape, 5, dtype=torch.float64), torch.randint(0, 5, shape)
    labels[0] = labels[(-1,) * len(shape)] = IGNORED
    by_hand = -logits.softmax(-1).gather(-1, labels.clamp_min(0)[..., None])[..., 0].log()
    losses = task.losses(logits, labels)
    torch.testing.assert_close(losses, by_hand * (labels != IGNORED), rtol=1e-12, atol=0)
    mean = losses.sum() / (labels != IGNORED).sum()
    torch.testing.assert_close(task.loss(logits, labels), mean, rtol=1e-12, atol=0)
    assert task.losses(logits.bfloat16(), labels).dtype == torch.float32


def test_losses_have_to_be_those_of_the_loss() -> None:
    class OtherLoss(NER):
        def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return 2 * super().loss(logits, labels)

    class Both(OtherLoss):
        def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return 3 * super().loss(logits, labels)

        def losses(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return 6 * super().losses(logits, labels)

    assert [task.has_losses for task in (NER(), POS(), Sentiment(), OtherLoss(), Both())] == [True] * 3 + [False, True]


def test_samples_are_nested_and_bounded() -> None:
    examples: list[TaggedSentence | LabelledText] = [LabelledText(str(n), str(n), "a") for n in range(50)]
    assert sample(examples, 10, 42, "x") == sample(examples, 20, 42, "x")[:10]
    assert sample(examples, 10, 42, "x") != sample(examples, 10, 43, "x")
    assert len(sample(examples, None, 42, "x")) == 50
    with pytest.raises(DataError, match="received 51; the set has 50"):
        sample(examples, 51, 42, "x")


def test_batches_cover_every_sentence() -> None:
    assert sorted(i for rows in epoch_order(10, 4, 1) for i in rows) == list(range(10))
    endless = endless_order(10, 4, 1)
    drawn = [next(endless) for _ in range(50)]
    assert all(len(set(rows)) == 4 for rows in drawn)
    counts = [sum(rows.count(index) for rows in drawn) for index in range(10)]
    assert max(counts) - min(counts) <= 1
    assert len(next(endless_order(3, 8, 1))) == 3


@pytest.mark.parametrize("task", [NER(), POS(), Sentiment()], ids=["ner", "pos", "sentiment"])
@pytest.mark.parametrize("language", [*DISTANCES, "d35"])
def test_synthetic_data_are_deterministic_and_well_formed(task: Task, language: str) -> None:
    data = Synthetic(train=80)
    examples = data.load(task, language, "train")
    assert examples == Synthetic(train=80).load(task, language, "train")
    assert len(examples) == 80
    assert examples[:40] != data.load(task, language, "dev")[:40]
    if task.kind == "tagging":
        for tags in task.gold(examples):
            for before, tag in zip(["O", *tags], tags, strict=False):
                assert task.check_label(tag) is None
                assert not tag.startswith("I-") or before[2:] == tag[2:]


def test_targets_share_fewer_words_the_farther_they_are() -> None:
    def words(language: str) -> set[str]:
        return {word for e in Synthetic(train=600).load(POS(), language, "train") for word in e.words}  # type: ignore[union-attr]

    base = words("base")
    overlaps = [len(base & words(language)) / len(base) for language in ("d05", "near", "mid", "far", "remote")]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] > 2 * overlaps[3]
    assert overlaps[-1] < 0.01
