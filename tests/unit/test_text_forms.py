"""Labelled texts in the forms of annotators and public corpora; what could be read in two ways is said or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared
from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.labelled import understand_labelled
from xltransfer.datasets.folder import Folder
from xltransfer.errors import DataError
from xltransfer.registry import TASKS
from xltransfer.tasks.classification import Classification, Pair
from xltransfer.tasks.sentiment import Sentiment

TEXTS = [("a fine room", "yes"), ("nobody came to help", "no"), ("it is a hotel", "maybe"), ("so, so clean", "yes"),
         ("no water again", "no"), ("a hotel in town", "maybe")]  # fmt: skip

NAMES = ["yes", "no", "maybe"]


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def table(delimiter: str, *head: str, order: str = "{text}|{label}", texts: Any = TEXTS) -> str:
    rows = [order.format(text=f'"{text}"' if "," in text and delimiter == "," else text, label=label, number=number)
            for number, (text, label) in enumerate(texts)]  # fmt: skip
    return "".join(row.replace("|", delimiter) + "\n" for row in [*head, *rows])


FORMS = {
    "fastText": ("train.txt", "".join(f"__label__{label} {text}\n" for text, label in TEXTS)),
    "TSV without a header, label first": ("train.tsv", table("\t", order="{label}|{text}")),
    "TSV without a header, an id first": ("train.tsv", table("\t", order="{number}|{text}|{label}")),
    "CSV without a header": ("train.csv", table(",")),
    "names of columns that nobody knows": ("train.csv", table(",", "was|wie")),
    "a header in capitals, other columns": ("train.csv", table(",", "ID|Label|Text", order="{number}|{label}|{text}")),
    "an intent corpus": ("train.csv", table(",", "utterance|intent")),
    "semicolons": ("train.csv", table(";", "sentence|category")),
    "JSON lines": ("train.jsonl", jsonl(*({"headline": text, "class": label} for text, label in TEXTS))),
    "doccano": ("train.jsonl", jsonl(*({"id": 1, "text": text, "label": [label]} for text, label in TEXTS))),
    "Label Studio": (
        "train.json",
        json.dumps(
            [
                {
                    "data": {"text": text},
                    "annotations": [{"result": [{"type": "choices", "value": {"choices": [label]}}]}],
                }
                for text, label in TEXTS
            ]
        ),
    ),
    "Prodigy": (
        "train.jsonl",
        jsonl(
            {"text": "x", "accept": ["no"], "answer": "ignore"},
            *({"text": text, "accept": [label], "answer": "accept"} for text, label in TEXTS),
        ),
    ),
    "ids with names beside": ("train.csv", table(",", "text|label", texts=[(t, NAMES.index(k)) for t, k in TEXTS])),
}


def written(folder: Path, name: str, content: str) -> Path:
    (folder / "xx").mkdir(exist_ok=True)
    (folder / "xx" / name).write_text(content, encoding="utf-8")
    return folder / "xx" / name


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    written(tmp_path, *FORMS[form])
    (tmp_path / "xx" / "labels.txt").write_text("yes\nno\nmaybe\n")
    found = Folder(tmp_path, 42).load(Classification(), "xx", "train")
    assert [(one.text, one.label) for one in found if isinstance(one, LabelledText)] == TEXTS


def test_texts_of_parquet_with_class_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = ["yes", "no", "maybe"]
    features = datasets.Features(sentence=datasets.Value("string"), label=datasets.ClassLabel(names=names))
    columns = {"sentence": [text for text, _ in TEXTS], "label": [names.index(label) for _, label in TEXTS]}
    datasets.Dataset.from_dict(columns, features).to_parquet(tmp_path / "train.parquet")
    found = understand_labelled(tmp_path / "train.parquet").examples
    assert [(one.text, one.label) for one in found if isinstance(one, LabelledText)] == TEXTS


@pytest.mark.parametrize("form, task, labels", [
    ("class-ids", "classification", ["0", "1", "2"]), ("fasttext", "classification", ["maybe", "no", "yes"]),
    ("pairs", "pair", ["contradiction", "entailment", "neutral"]),
])  # fmt: skip
def test_forms_that_failed(form: str, task: str, labels: list[str]) -> None:
    built = TASKS.load(task)()
    for split in ("train", "dev", "test"):
        found = Folder(shared("cases/text") / form, 42).load(built, "bb", split)
        assert built.label_set(found) == labels
        assert len(found) == 24


PAIRS = [("it rains", "it is wet", "yes"), ("it rains", "it is dry", "no"), ("he sleeps", "he runs", "no"),
         ("she ran", "she moved", "yes")]  # fmt: skip


@pytest.mark.parametrize("head", ["premise|hypothesis|gold_label", "sentence1|sentence2|label", "Text_A|Text_B|Label"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_pairs(head: str, delimiter: str, tmp_path: Path) -> None:
    lines = (delimiter.join(row) + "\n" for row in [head.split("|"), *PAIRS])
    file = written(tmp_path, "train.csv", "".join(lines))
    found = Pair().prepare(understand_labelled(file).examples)
    assert [(one.text, one.second, one.label) for one in found if isinstance(one, LabelledText)] == PAIRS
    with pytest.raises(DataError, match=r"train\.csv:2: a pair of texts, where single ones are needed; .*--task pair"):
        Classification().prepare(found)


@pytest.mark.parametrize(
    "name, content, options, message",
    [
        ("a.txt", "__label__a __label__b x\n", {}, r"a\.txt:1: 2 labels, '__label__a __label__b'; one"),
        ("a.txt", "__label__a x\nno label\n", {}, r"a\.txt:2: 0 labels"),
        ("a.tsv", table("\t", order="{label}|{text}|{label}"), {}, r"label can be column 1 \('maybe'\) or column 3"),
        ("a.tsv", "one text\ttwo\n", {}, r"not a file of labelled texts\. .*--data-opt columns=label,text"),
        ("a.csv", table(","), {"columns": ["text"]}, r"not a file of|columns: received text"),
        ("a.csv", table(","), {"columns": ["text", "what"]}, r"columns: received text,what; allowed: a name for each"),
        ("a.jsonl", jsonl({"text": "x", "label": ["a", "b"]}), {}, r"a\.jsonl:1: 2 labels, \['a', 'b'\]; one label"),
        ("a.jsonl", jsonl({"text": "x", "label": "a"}), {"columns": ["t", "label"]}, r"a\.jsonl:1: no field 't' in"),
        ("a.csv", "text,label\na b,-1\n", {}, r"every label is -1: a polarity, or -1 for texts without a label\? Say"),
        ("a.csv", "text,label\na b,-1\nc d,2\n", {}, r"labels go from -1 to 2: a polarity, or"),
        ("a.csv", "premise,hypothesis,label\na b,c,-\nd e,f,-1\n", {}, r"no pair of texts has a label"),
    ],
)  # fmt: skip
def test_what_is_uncertain_is_refused(
    name: str, content: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        understand_labelled(written(tmp_path, name, content), **options)


@pytest.mark.parametrize("head, labels, scale, note", [
    ("text|label", "0 1", "binary", "labels 0 and 1: task sentiment takes them for negative and positive"),
    ("text|label", "0 1 2", "name", "labels 0, 1, 2 are read as classes"),
    ("text|label", "1 2 3 4 5", "name", "labels 1, 2, 3, 4, 5 are read as classes"),
    ("text|label", "-1 0 1", "polarity", "labels with a sign are read as a polarity"),
    ("text|label", "+1 0", "polarity", "labels with a sign are read as a polarity"),
    ("text|label", "0.0 1.0", "binary", "labels 0 and 1: task sentiment takes them for negative and positive"),
    ("text|stars", "1 2 3", "stars", ""),
    ("text|polarity", "-2 0 1", "polarity", ""),
    ("text|polarity", "0 2 4", "name", "labels 0, 2, 4 are read as classes"),
    ("text|polarity", "1 2", "name", "labels 1, 2 are read as classes"),
    ("text|polarity", "0 1", "binary", "labels 0 and 1: task sentiment takes them for negative and positive"),
    ("text|polarity", "pos neg", "name", ""),
    ("text|label", "1.0 0 1 0.0", "binary", "labels 0 and 1: task sentiment takes them for negative and positive"),
    ("text|sentiment", "pos neg", "name", ""),
])  # fmt: skip
def test_scales(head: str, labels: str, scale: str, note: str, tmp_path: Path) -> None:
    content = table(",", head, texts=[("a text", label) for label in labels.split()])
    found = understand_labelled(written(tmp_path, "a.csv", content))
    assert {one.scale for one in found.examples if isinstance(one, LabelledText)} == {scale}
    assert [note in one for one in found.notes] == ([True] if note else [])
    if scale == "name" and note:
        with pytest.raises(DataError, match=r"--task classification, .*--data-opt scale=stars or scale=polarity"):
            Sentiment().prepare(found.examples)
    told = understand_labelled(written(tmp_path, "a.csv", content), scale="name").examples
    assert {one.scale for one in told if isinstance(one, LabelledText)} == {"name"}


def test_columns_as_told(tmp_path: Path) -> None:
    content = "x\tone text\tB\ny\tother text\tB\n"
    found = understand_labelled(written(tmp_path, "a.tsv", content), columns=["label", "text", "_"]).examples
    assert [(one.text, one.label) for one in found if isinstance(one, LabelledText)] == [
        ("one text", "x"),
        ("other text", "y"),
    ]


def test_what_numbers_are_is_decided_once_for_a_language(tmp_path: Path) -> None:
    for split, labels in {"train": "0 1 1", "dev": "-1 1", "test": "0 1"}.items():
        written(tmp_path, f"{split}.csv", table(",", "text|label", texts=[("a b", one) for one in labels.split()]))
    folder = Folder(tmp_path, 42)
    gold = {split: [one.label for one in folder.load(Sentiment(), "xx", split) if isinstance(one, LabelledText)]
            for split in ("train", "dev", "test")}  # fmt: skip
    assert gold == {"train": ["positive", "positive"], "dev": ["negative", "positive"], "test": ["positive"]}
    assert len(folder.notes()) == 3
    written(tmp_path, "dev.csv", "text,label\na,-1\nb,-1\n")  # labels withheld: they tell nothing of other files
    found = Folder(tmp_path, 42).load(Sentiment(), "xx", "train")
    assert [one.label for one in found if isinstance(one, LabelledText)] == ["negative", "positive", "positive"]
    written(tmp_path, "dev.csv", "text,label\na,fine\n")
    with pytest.raises(DataError, match=r"train\.csv:2: label '0'"):
        Folder(tmp_path, 42).load(Sentiment(), "xx", "train")


@pytest.mark.parametrize(
    "name, content, options, rows, note",
    [
        ("a.csv", "premise,hypothesis,label\na b,c,yes\nd,e,-\n", {}, [("a b", "yes")],
         "1 of 2 pairs have no label (- or -1) and are left out"),
        ("a.csv", "headline,text,topic,label\nx,a b,t,yes\n", {}, [("a b", "yes")],
         "the text is 'text' and the label 'label', not 'headline' or 'topic'; otherwise: --data-opt columns="),
        ("a.jsonl", jsonl({"Text": "a b", "label": "yes", "Topic": "t"}), {}, [("a b", "yes")],
         "the text is 'Text' and the label 'label', not 'Topic'; otherwise: --data-opt columns="),
        ("a.csv", table(",", "was|wie"), {"columns": ["text", "label"]}, TEXTS,
         "the first line, 'was, wie', is read as names of columns"),
        ("a.csv", table(",", "a text of four words|rare"), {}, [("a text of four words", "rare"), *TEXTS],
         "column 2 is read as the labels of texts, without a header"),
    ],
)  # fmt: skip
def test_a_choice_that_could_have_been_otherwise_is_said(
    name: str, content: str, options: dict[str, Any], rows: list[tuple[str, str]], note: str, tmp_path: Path
) -> None:
    found = understand_labelled(written(tmp_path, name, content), **options)
    assert [(one.text, one.label) for one in found.examples if isinstance(one, LabelledText)] == rows
    (said,) = found.notes
    assert said.startswith(note)
