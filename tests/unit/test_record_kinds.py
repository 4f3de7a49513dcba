"""Records of tagged words and of texts that are easily misread: several fields, annotators, offsets, ids with names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.label_names import label_names
from xltransfer.data.readers.labelled import understand_labelled
from xltransfer.data.readers.tagged_records import understand_records
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS

WORDS, TAGS, PARTS = ["Ada", "saw", "Jos"], ["B-PER", "O", "B-LOC"], ["PROPN", "VERB", "PROPN"]
TEXT = "Ada saw Jos"
SPANS = [(0, 3, "PER"), (8, 11, "LOC")]


def result(start: int, end: int, kind: str, of: str = "labels") -> dict[str, Any]:
    return {"type": of, "value": {"start": start, "end": end, "text": TEXT[start:end], of: [kind]}}


TASK: dict[str, Any] = {"data": {"text": TEXT}, "annotations": [{"result": [result(*span) for span in SPANS]}]}
CHOICE = {"type": "choices", "value": {"choices": ["bad"]}}
OTHER = {"result": [result(0, 3, "LOC"), result(8, 11, "LOC")]}


def understood(folder: Path, *records: Any, wanted: Any = "entities", **options: Any) -> Any:
    (folder / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if wanted == "texts":
        return understand_labelled(folder / "a.jsonl", **options)
    check = (POS() if wanted == "words" else NER()).check_label
    return understand_records(folder / "a.jsonl", check, wanted=wanted, **options)


@pytest.mark.parametrize("records, wanted, notes", [
    ([{"words": WORDS, "tags": TAGS, "entity_tags": ["O"] * 3}, {"words": WORDS, "tags": TAGS, "entity_tags": TAGS}],
     "entities", ["the tags are 'tags', not 'entity_tags'; otherwise: --data-opt columns=words,entity_tags"]),
    ([{"tokens": WORDS, "tags": PARTS, "labels": TAGS}], "entities", []),
    ([{"tokens": WORDS, "tags": TAGS, "labels": PARTS}], "words", []),
    ([{"tokens": WORDS, "my_entities": TAGS}], "entities", []),
    ([{"tokens": WORDS, "tags": TAGS, "gold_pos": PARTS}], "words", []),
    ([{"tokens": WORDS, "ner_tags": TAGS, "annotations": ["x"], "answer": "ignore"}], "entities", []),
    ([{"words": WORDS, "text": ["x"], "ner_tags": TAGS}, {"words": WORDS, "ner_tags": TAGS, "ner": ["O", "O", "O"]}],
     "entities", []),
    ([{"tokens": WORDS, "ner_tags": TAGS}, {"tokens": [], "ner_tags": []}], "entities",
     ["records without words, left out: 1"]),
    ([{"tokens": WORDS, "ner_tags": ["B-PER\u200b", "O", "\u200eB-LOC"]}], "entities", []),
    ([{"text": TEXT, "label": [], "entities": [{"start_offset": a, "end_offset": b, "label": c} for a, b, c in SPANS]}],
     "entities", None),
    ([TASK, {"data": {"text": TEXT}, "annotations": []}], "entities", ["records without an annotation, left out: 1"]),
    ([{**TASK, "annotations": [*TASK["annotations"], OTHER]}], "entities",
     ["records with annotations that differ, of which the first is read: 1"]),
    ([{**TASK, "annotations": [*TASK["annotations"], {"result": TASK["annotations"][0]["result"][::-1]}]}], "entities",
     None),
])  # fmt: skip
def test_records_of_words(records: list[Any], wanted: str, notes: list[str] | None, tmp_path: Path) -> None:
    found = understood(tmp_path, *records, wanted=wanted)
    assert {(one.words, one.tags) for one in found.examples} == {
        (tuple(WORDS), tuple(PARTS if wanted == "words" else TAGS))
    }
    assert [note for note in found.notes if "span" not in note and "split" not in note] == (notes or [])


@pytest.mark.parametrize("record, message", [
    ({**TASK, "annotations": [{"result": [result(0, 3, "PER", "hypertextlabels")]}]}, "result of type hypertextlabels"),
    ({"text": TEXT, "tokens": WORDS, "entities": [[0, 1, "PER"], [2, 3, "LOC"]]}, "are these offsets of tokens"),
])  # fmt: skip
def test_spans_that_would_be_misread(record: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a\.jsonl:1: .*{message}"):
        understood(tmp_path, record)


def test_prodigy_leaves_out_the_spans_of_a_text_without_any(tmp_path: Path) -> None:
    tokens = [{"text": word, "start": TEXT.index(word), "end": TEXT.index(word) + 3} for word in WORDS]
    (one,) = understood(tmp_path, {"text": TEXT, "tokens": tokens, "answer": "accept"}).examples
    assert one.words == tuple(WORDS)
    assert one.tags == ("O", "O", "O")


@pytest.mark.parametrize("content, names", [
    ("O\nB-PER\n", ("O", "B-PER")), ("1 positive\n0 negative\n", ("negative", "positive")),
    ("no,0\nyes,1\n", ("no", "yes")), ("id name\n0 no\n1 yes\n", ("no", "yes")),
    ("class 0\nclass 1\n", ("class 0", "class 1")),
])  # fmt: skip
def test_names_of_ids(content: str, names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(content)
    assert label_names(tmp_path) == names


@pytest.mark.parametrize("content, message", [
    ("label\nno\nyes\n", "labels.txt:1: 'label': a heading, or the name"), ("no\nyes\nno\n", "'no' comes twice"),
    ("1 bad\n2 good\n", r"the ids are 1, 2; allowed: 0, 1, \.\.\."),
])  # fmt: skip
def test_names_of_ids_that_would_be_misread(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        label_names(tmp_path)


def test_names_of_entities_are_not_those_of_parts_of_speech(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("O\nB-PER\nI-PER\n")
    with pytest.raises(DataError, match=r"names beside the file .* are tags of entities"):
        understood(tmp_path, {"tokens": WORDS, "pos_tags": [0, 1, 2]}, wanted="words")


def test_fields_are_the_same_in_all_records_of_texts(tmp_path: Path) -> None:
    records = [{"text": "a b", "label": "x", "rating": 5}, {"text": "c d", "label": "y"},
               {"text": "e f", "review": "z", "label": "x"}]  # fmt: skip
    found = understood(tmp_path, *records, wanted="texts").examples
    assert [(one.text, one.label) for one in found] == [("a b", "x"), ("c d", "y"), ("e f", "x")]
    with pytest.raises(DataError, match=r"a\.jsonl:2: no field 'label' in \['text'\]"):
        understood(tmp_path, {"text": "a", "label": "x"}, {"text": "b"}, wanted="texts")


@pytest.mark.parametrize("records, label", [
    ([{"data": {"text": "a b", "rating": 5}, "annotations": [{"result": [CHOICE]}]}], "bad"),
    ([{"text": "a b", "label": "old", "options": [], "accept": ["bad"], "answer": "accept"}], "bad"),
    ([{"text": "a b", "label": "bad", "annotations": ["x"]}], "bad"),
    ([{"text": "a b", "label": "bad", "annotations": [], "answer": "ignore", "question": "?"}], "bad"),
    ([{"text": "a b", "label": ["bad"]}, {"text": "c d", "label": []}], "bad"),
])  # fmt: skip
def test_the_annotation_is_the_label(records: list[Any], label: str, tmp_path: Path) -> None:
    assert [(one.text, one.label) for one in understood(tmp_path, *records, wanted="texts").examples] == [
        ("a b", label)
    ]


@pytest.mark.parametrize("table", [
    {"text": {"0": "a b", "1": "c d"}, "label": {"0": "x", "1": "y"}},
    {"columns": ["text", "label"], "index": [0, 1], "data": [["a b", "x"], ["c d", "y"]]},
    {"features": [], "rows": [{"row": {"text": "a b", "label": "x"}}, {"row": {"text": "c d", "label": "y"}}]},
])  # fmt: skip
def test_tables_in_json(table: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(table))
    found = understand_labelled(tmp_path / "a.json").examples
    assert [(one.text, one.label) for one in found if isinstance(one, LabelledText)] == [("a b", "x"), ("c d", "y")]


def test_sentences_of_spacy(tmp_path: Path) -> None:
    record = {"text": "Ada ran. He saw Jos.", "ents": [{"start": 0, "end": 3, "label": "PER"}],
              "sents": [{"start": 0, "end": 8}, {"start": 9, "end": 20}]}  # fmt: skip
    found = understood(tmp_path, record).examples
    assert [one.words for one in found] == [("Ada", "ran", "."), ("He", "saw", "Jos", ".")]
    assert [one.id for one in found] == ["a.jsonl:1.1", "a.jsonl:1.2"]


def test_labels_of_spans_with_letters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a span's label is 'B-PER', with a letter of a scheme"):
        understood(tmp_path, {"text": TEXT, "label": [[0, 3, "B-PER"], [8, 11, "B-LOC"]]})
