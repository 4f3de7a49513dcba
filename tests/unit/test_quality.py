"""What is odd about the sets of a run is found, counted and shown with its place; nothing else is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from tests.conftest import shared
from xltransfer.data.examples import Example, LabelledText, TaggedSentence
from xltransfer.datasets.folder import Folder
from xltransfer.datasets.quality import KINDS, Finding, find_data_problems, summary
from xltransfer.tasks.base import Task
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS
from xltransfer.tasks.sentiment import Sentiment


def tagged(name: str, *sentences: str) -> list[Example]:
    """Sentences such as `Ada/B-PER sings/O`."""
    pairs = [[word.rsplit("/", 1) for word in sentence.split()] for sentence in sentences]
    return [
        TaggedSentence(f"{name}:{number}", tuple(w for w, _ in words), tuple(t for _, t in words))
        for number, words in enumerate(pairs, 1)
    ]


def texts(name: str, *labelled: str) -> list[Example]:
    """Texts such as `good:positive`."""
    return [LabelledText(f"{name}:{n}", *pair.split(":")) for n, pair in enumerate(labelled, 1)]


GOOD = {
    "source": tagged("source", "a/O B/B-PER", "c/B-LOC d/I-LOC"),
    "target": tagged("train", "e/O F/B-PER G/I-PER", "h/B-PER I/B-PER"),
    "dev": tagged("dev", "k/O L/B-ORG"),
    "test": tagged("test", "m/O N/B-PER"),
}


def found(changed: Mapping[str, Sequence[Example]], task: Task | None = None) -> list[Finding]:
    """The findings in the good sets, some of them changed."""
    sets = {**GOOD, **changed}
    return find_data_problems(task or NER(), {"en": sets["source"]}, sets["target"], sets["dev"], sets["test"])


def test_nothing_is_found_in_good_sets() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    "part, sentences, finding",
    [
        ("dev", [], Finding("empty", "target dev", 1)),
        ("dev", ["k/O l/O", "m/O"], Finding("one-label", "target dev", 1, "dev:1", "O")),
        ("source", ["a/O B/I-PER", "I/I-LOC x/O"], Finding("not-bio", "source en", 2, "source:1", "I-PER after O")),
        ("test", ["a/B-PER b/I-LOC"], Finding("not-bio", "target test", 1, "test:1", "I-LOC after B-PER")),
        ("target", ["a/O b/B-PER"] * 3, Finding("duplicates", "target train", 2, "train:2", "a b")),
        ("test", ["h/O I/B-LOC"], Finding("in-two-splits", "target train and target test", 1, "test:1", "h I")),
        ("test", ["z/O", "k/O L/B-LOC"], Finding("in-two-splits", "target dev and target test", 1, "test:2", "k L")),
        ("dev", ["a/B-PER B/O"], Finding("source-in-target", "source en and target dev", 1, "dev:1", "a B")),
    ],
)  # fmt: skip
def test_each_kind_is_found_with_its_place(part: str, sentences: list[str], finding: Finding) -> None:
    names = {"target": "train"}
    findings = found({part: tagged(names.get(part, part), *sentences)})
    assert [f for f in findings if f.kind == finding.kind] == [finding]


def test_source_sentences_in_the_targets_training_data_are_no_leak() -> None:
    assert found({"target": GOOD["source"]}) == []


def test_texts_with_other_labels_are_the_same_texts() -> None:
    sets = {"source": texts("s", "a:positive", "b:negative"), "target": texts("t", "c:positive", "c:negative"),
            "dev": texts("d", "e:positive", "f:negative"), "test": texts("e", "e:negative", "g:negative")}  # fmt: skip
    kinds = [(f.kind, f.where, f.id) for f in found(sets, Sentiment())]
    assert kinds == [
        ("one-label", "target test", "e:1"),
        ("duplicates", "target train", "t:2"),
        ("in-two-splits", "target dev and target test", "e:1"),
    ]


def test_tags_of_other_schemes_are_not_held_to_bio() -> None:
    sets = {name: tagged(name, f"{name}/NOUN x/VERB") for name in GOOD}
    assert found(sets, POS()) == []


def test_summary_has_a_line_a_kind() -> None:
    doubled = {name: [*examples, examples[0]] for name, examples in GOOD.items()}
    lines = list(summary([*found(doubled), *found({"test": GOOD["dev"]})]))
    assert len(lines) == 2
    assert lines[0] == (f"data: {KINDS['duplicates']}: source en 1, target train 1, target dev 1, target test 1; "
                        "first source:1: 'a B'. 'xlt data check' shows one of each.")  # fmt: skip
    assert lines[1].startswith(f"data: {KINDS['in-two-splits']}: target dev and target test 1; first dev:1: 'k L'")


def test_wikiann_igbo_as_counted_with_sort_and_uniq() -> None:
    # a sentence a line: awk '{print (NF ? $1 : "")}' F | awk -v RS= '{$1 = $1; print}'
    # then sort, sort -u and comm -12
    folder, task = Folder(shared("data/ner/wikiann"), 42), NER()
    target, dev, test = (folder.load(task, "ig", split) for split in ("train", "dev", "test"))
    counts = {(f.kind, f.where): f.count for f in find_data_problems(task, {}, target, dev, test)}
    assert counts == {
        ("duplicates", "target train"): 19,
        ("duplicates", "target dev"): 20,
        ("duplicates", "target test"): 12,
        ("in-two-splits", "target train and target dev"): 16,
        ("in-two-splits", "target train and target test"): 18,
        ("in-two-splits", "target dev and target test"): 18,
    }


def test_forty_thousand_sentences_take_no_pairwise_comparison() -> None:
    sets = {name: tagged(name, *(f"{name}{n}/O B/B-PER" for n in range(10_000))) for name in GOOD}
    start = time.process_time()
    assert found(sets) == []
    assert time.process_time() - start < 5  # a tenth of a second; comparing every pair takes minutes
