"""Tables and lines of labelled texts that are easily misread: scales, quotation marks, headers, separators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xltransfer.data.readers.labelled import understand_labelled
from xltransfer.errors import DataError

TEXTS = [("a fine room, clean", "yes"), ("nobody came to help us", "no"), ("it is a hotel", "maybe")]
ROWS = "".join(f"{text}\t{label}\n" for text, label in TEXTS)
QUOTED = "".join(f'"{text}"\t"{label}"\n' for text, label in TEXTS)


def understood(folder: Path, name: str, content: str, **options: Any) -> Any:
    (folder / name).write_text(content, encoding="utf-8")
    return understand_labelled(folder / name, **options)


@pytest.mark.parametrize("name, content, options", [
    ("a.tsv", 'text\tlabel\n' + QUOTED, {}),
    ("a.tsv", '"text"\t"label"\n' + QUOTED, {}),
    ("a.csv", 'text,label\n"a fine room, clean", "yes"\nnobody came to help us, "no"\nit is a hotel, maybe\n', {}),
    ("a.tsv", "was\twie\n" + ROWS, {"columns": ["text", "label"]}),
    ("a.txt", "".join(f"{text} __label__{label}\n" for text, label in TEXTS), {}),
    ("a_pos.tsv", "text\tlabel\n" + ROWS, {}),
    ("a.tsv", "text\tlabel\n" + ROWS.replace("yes", "y\u200bes").replace("no\n", "\u200eno\n"), {}),
])  # fmt: skip
def test_tables(name: str, content: str, options: dict[str, Any], tmp_path: Path) -> None:
    found = understood(tmp_path, name, content, **options)
    assert [(one.text, one.label) for one in found.examples] == TEXTS


def test_look_alike_labels_are_one(tmp_path: Path) -> None:
    content = "text\tlabel\na b\tcaf\u00e9\nc d\tcafe\u0301\ne f\tcaf\u00e9\ufeff\ng h\t\u0645\u200c\u0646\n"
    found = understood(tmp_path, "a.tsv", content)
    assert [one.label for one in found.examples] == ["caf\u00e9"] * 3 + ["\u0645\u200c\u0646"]


def test_lines_of_a_class(tmp_path: Path) -> None:
    found = understood(tmp_path, "train_pos.txt", "great\n______\n\U0001f600\U0001f600\n!!!\n...\n\n------\nyes\n")
    assert [one.text for one in found.examples] == ["great", "\U0001f600\U0001f600", "!!!", "...", "yes"]
    assert found.notes == ("lines that separate texts, as in ____, left out: 2",)


@pytest.mark.parametrize("content, options, message", [
    ("text,label\na,1\nb,2\n", {"scale": "binary"}, r"a\.csv:3: label '2' with scale=binary; allowed: 0 and 1"),
    ("text,label\na,1\nb,2\n", {"scale": "polarity"}, r"scale=polarity, but of its labels 1, 2 none is negative"),
    ('text,label\n"he said,yes\nall is well,no\nshe "left",no\n', {}, r"a\.csv:2: "),
    ('text,label\n"he said,yes\nall is well,no\nit is over",no\n', {}, r"a\.csv:2: a cell of 3 lines holds a row"),
])  # fmt: skip
def test_what_would_be_misread_is_refused(content: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        understood(tmp_path, "a.csv", content, **options)


def test_a_text_of_several_lines(tmp_path: Path) -> None:
    found = understood(tmp_path, "a.csv", 'text,label\n"we came, and yes,\nit was clean",yes\nb,no\n')
    assert [one.text for one in found.examples] == ["we came, and yes, it was clean", "b"]


@pytest.mark.parametrize("name, content, texts, label", [
    ("train_neg.csv", 'id,tweet\n1,"no, never"\n2,not again\n', ["no, never", "not again"], "negative"),
    ("train_pos.txt", "+++\n***\na fine day, a good one\n", ["+++", "***", "a fine day, a good one"], "positive"),
    ("a.tsv", 'text\tlabel\n"He said ""no"""\tx\nall good\tx\n', ['He said "no"', "all good"], "x"),
    ("a.tsv", 'text\tlabel\nHe said "no"\tx\n"all" good\tx\n', ['He said "no"', '"all" good'], "x"),
    ("a.tsv", 'text\tlabel\n"two\nlines"\tx\nall good\tx\n', ["two lines", "all good"], "x"),
    ("a.tsv", 'text\tlabel\n"clean, and ""new"""\tx\nall good\tx\n', ['clean, and "new"', "all good"], "x"),
    ("a.tsv", "text\tlabel\na b\tx\ntext\tlabel\nc d\tx\n", ["a b", "c d"], "x"),
    ("a.csv", 'text,label\n"it got 3,5\nor so",5\n"one\ntwo",5\n', ["it got 3,5 or so", "one two"], "5"),
    ("a.csv", "text,label\na b,True\nc d,true\n", ["a b", "c d"], "true"),
])  # fmt: skip
def test_texts_of_one_class(name: str, content: str, texts: list[str], label: str, tmp_path: Path) -> None:
    found = understood(tmp_path, name, content)
    assert [(one.text, one.label) for one in found.examples] == [(text, label) for text in texts]


def test_a_file_of_a_class_with_columns_is_a_table(tmp_path: Path) -> None:
    rows = 2 * [("it was a bad day for us", "neg"), ("we came and it was closed again", "neg"),
                ("a fine hotel by the sea", "pos"), ("nobody was there to help", "neu")]  # fmt: skip
    content = "".join(f"{number} {text}\t{label}\n" for number, (text, label) in enumerate(rows))
    assert [one.label for one in understood(tmp_path, "pos.tsv", content).examples] == [label for _, label in rows]


@pytest.mark.parametrize("beside", ["Jane Doe{}", "Apr 06 22:19:{} PDT 2009", "2009-04-06 22:19:{}"])
def test_a_column_beside_the_text_makes_no_pair(beside: str, tmp_path: Path) -> None:
    content = "".join(f"{beside.format(10 + n)}\ttext {n} of some more words\t{'ab'[n % 2]}\n" for n in range(8))
    found = understood(tmp_path, "a.tsv", content)
    assert {one.second for one in found.examples} == {None}
    assert found.examples[0].text == "text 0 of some more words"


def test_another_column_of_labels_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{topic}\tsome text {number} here\t{stance}\n" for number, (topic, stance) in enumerate(
        [("war", "for"), ("war", "against"), ("peace", "for"), ("peace", "against")]))  # fmt: skip
    assert {one.label for one in understood(tmp_path, "a.tsv", "target\ttweet\tstance\n" + rows).examples} == {
        "for", "against"}  # fmt: skip
    found = understood(tmp_path, "b.tsv", "target\ttweet\thaltung\n" + rows)
    assert found.notes == ("the text is 'tweet' and the label 'target', not 'haltung'; otherwise: --data-opt "
                           "columns=text,label for example",)  # fmt: skip
