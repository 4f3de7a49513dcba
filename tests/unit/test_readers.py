"""Every file format, found from content; bad lines named by file and number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import shared
from xltransfer.data.readers.labelled import read_labelled
from xltransfer.data.readers.words.tagged import read_tagged
from xltransfer.datasets.folder import Folder
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER
from xltransfer.tasks.sentiment import Sentiment

CONLLU = """# text = a b
1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_
1\ta\ta\tDET\t_\t_\t0\t_\t_\t_
2\tb\tb\tNOUN\t_\t_\t0\t_\t_\t_
2.1\tc\tc\tVERB\t_\t_\t_\t_\t_\t_

1\t#\t#\tSYM\t_\t_\t0\t_\t_\t_
"""


@pytest.mark.parametrize(
    "text, words, tags",
    [
        ("en:A\tB-PER\nen:en:x\tO\n\nen:B\tO\n", [("A", "en:x"), ("B",)], [("B-PER", "O"), ("O",)]),
        ("A B-PER\nb O\n\n\n\nB O", [("A", "b"), ("B",)], [("B-PER", "O"), ("O",)]),
        ("A\tB-PER\r\nb c\tO\r\n", [("A", "b c")], [("B-PER", "O")]),
        ("0\tA\tB-PER\n1\tb\tO\n\n0\tB\tO\n", [("A", "b"), ("B",)], [("B-PER", "O"), ("O",)]),
        ("-DOCSTART- -X- O O\n\nA NNP I-NP B-PER\nb VB I-VP O\n", [("A", "b")], [("B-PER", "O")]),
        (CONLLU, [("a", "b"), ("#",)], [("DET", "NOUN"), ("SYM",)]),
        ("\ufeff# O\n: O\n", [("#", ":")], [("O", "O")]),
    ],
)
def test_tagged_formats(tmp_path: Path, text: str, words: list[object], tags: list[object]) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(text.encode())
    sentences = read_tagged(path)
    assert [sentence.words for sentence in sentences] == words
    assert [sentence.tags for sentence in sentences] == tags


@pytest.mark.parametrize(
    "text, message",
    [
        ("A O\nB O\nC\nD O\n", r"train:3: 1 columns, .* has 2"),
        ("A\tO\nB\tO\tX\nC\tO\n", r"train:2: 3 columns, .* has 2"),
        ("A O\nB PER\n", r"train:2: tag 'PER' is outside BIO; allowed: O, B-TYPE, I-TYPE"),
        ("A\tO\nB\t\nC\tO\n", r"train:2: the tag is empty"),
        ("", r"the file is empty"),
        ("one\ntwo\n", r"lines have one column"),
    ],
)
def test_bad_tagged_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "train").write_text(text)
    with pytest.raises(DataError, match=message):
        read_tagged(tmp_path / "train", NER().check_label)


STARS = [("good one", "5"), ("so so", "3"), ("bad one", "1")]


def written(folder: Path, kind: str) -> Path:
    path = folder / f"train.{kind}"
    if kind == "tsv":
        path.write_text("id\tstars\ttext\n" + "".join(f"{n}\t{s}\t{t}\n" for n, (t, s) in enumerate(STARS)))
    elif kind == "csv":
        path.write_text("text,stars\n" + "".join(f'"{t}",{s}\n' for t, s in STARS))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps({"review_body": t, "stars": int(s)}) for t, s in STARS))
    elif kind == "json":
        path.write_text(json.dumps([{"review_body": t, "stars": int(s)} for t, s in STARS], indent=1))
    else:
        import openpyxl

        book = openpyxl.Workbook()
        for row in [("text", "polarity"), *((t, str(int(s) - 3)) for t, s in STARS)]:
            book.active.append(row)
        book.save(path)
    return path


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "json", "xlsx"])
def test_labelled_formats(tmp_path: Path, kind: str) -> None:
    examples = Sentiment().prepare(read_labelled(written(tmp_path, kind)))
    assert Sentiment().gold(examples) == ["positive", "negative"]
    if kind != "xlsx":
        assert len(Sentiment(labels="all").label_set(read_labelled(written(tmp_path, kind)))) == 3


def test_one_text_a_line_takes_its_class_from_the_name(tmp_path: Path) -> None:
    (tmp_path / "product_neg.txt").write_text("______\nbad\n______\n\nworse\n")
    examples = read_labelled(tmp_path / "product_neg.txt")
    assert [(e.text, e.label) for e in examples] == [("bad", "negative"), ("worse", "negative")]


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.tsv", "text\tstars\ngood\t5\nbad\n", r"a\.tsv:3: 1 columns, where the header has 2"),
        ("a.jsonl", '{"text": "a", "stars": 1}\n{"text"\n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", '{"text": "a"}\n', r"a\.jsonl:1: no label column"),
        ("a.jsonl", "[1]", r"received int; an object"),
        ("a.txt", "some text\n", "not a file of labelled texts"),
        ("a.tsv", "text\tlabel\n", "only a header"),
        ("a.tsv", "text\tstars\n \t5\n", "the text is empty"),
    ],
)
def test_bad_labelled_files_name_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_labelled(tmp_path / name)


@pytest.mark.parametrize(
    "column, label, message",
    [
        ("label", "joy", "is neither positive nor negative"),
        ("polarity", "joy", "is neither positive nor negative"),
        ("polarity", "nan", "is outside its scale; allowed: a finite number"),
        ("rating", "9", "is outside its scale; allowed: 1 to 5 stars"),
    ],
)
def test_label_that_is_no_polarity(tmp_path: Path, column: str, label: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(f"text\t{column}\ngood\t{label}\n")
    with pytest.raises(DataError, match=rf"a\.tsv:2: label '{label}' {message}"):
        Sentiment().prepare(read_labelled(tmp_path / "a.tsv"))


def test_a_word_among_polarities(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tpolarity\ngood\t-1\nfine\tjoy\n")
    with pytest.raises(DataError, match=r"a\.tsv:3: label 'joy' is not a number \(polarity\)"):
        Sentiment().prepare(read_labelled(tmp_path / "a.tsv"))


@pytest.mark.parametrize(
    "root, language, folder",
    [
        ("ner", "en", "wikiann/en"),
        ("ner", "masakhaner2/wol", "masakhaner2/wol"),
        ("ner/wikiann", "ig", "ig"),
        ("pos", "en", "en_ewt"),
        ("pos", "fo", "fo_farpahc"),
        ("pos", "maltese", "UD_Maltese-MUDT"),
        ("pos", "wo", "UD_Wolof-WTB"),
    ],
)
def test_language_is_found_by_folder_path_code_and_treebank(root: str, language: str, folder: str) -> None:
    data = shared(f"data/{root}")
    assert Folder(data, 42).find(language) == data / folder


def test_index_of_another_corpus_is_passed_over_and_bad_entries_are_named(tmp_path: Path) -> None:
    (tmp_path / "te").mkdir()
    for name, text in {"p_pos.txt": "good\nfine\n", "p_neg.txt": "bad\n"}.items():
        (tmp_path / "te" / name).write_text(text)
    index = tmp_path / "data_index.txt"
    index.write_text("# fa train index\n[0]\n\n# x train index\n[1, None, 0]\n['p_pos.txt', None, 'p_neg.txt']\n")
    examples = Folder(tmp_path, 0).load(Sentiment(), "te", "train")
    assert [e.text for e in examples] == ["fine", "bad"]  # type: ignore[union-attr]
    index.write_text("# te train index\n[7]\n['p_pos.txt']\n")
    with pytest.raises(DataError, match="train entry 7 of p_pos"):
        Folder(tmp_path, 0).load(Sentiment(), "te", "train")


def test_corpora_without_splits_are_split_without_overlap(tmp_path: Path) -> None:
    (tmp_path / "xx").mkdir()
    for label in ("pos", "neg"):
        (tmp_path / "xx" / f"{label}.txt").write_text("".join(f"{label} {n % 80}\n" for n in range(100)))
    folder = Folder(tmp_path, 42)
    parts = [folder.load(Sentiment(), "xx", split) for split in ("train", "dev", "test")]
    assert [len(part) for part in parts] == [96, 32, 32]
    assert len({e.text for part in parts for e in part}) == 160  # type: ignore[union-attr]


def language_folder(root: Path, name: str, *files: str) -> None:
    (root / name).mkdir(parents=True)
    for file in files:
        (root / name / file).write_text("a O\nB B-PER\n\n")


def test_folder_errors_say_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a registered dataset nor a folder"):
        Folder(tmp_path / "nowhere", 0)
    with pytest.raises(DataError, match="no folder in"):
        Folder(tmp_path, 0).languages()
    language_folder(tmp_path, "one/ig", "train.txt", "dev.txt")
    language_folder(tmp_path, "two/ig", "train.txt")
    language_folder(tmp_path, "two/sw", "train.txt", "train.tsv", "README.md")
    folder = Folder(tmp_path, 0)
    with pytest.raises(DataError, match=r"allowed: one/ig, two/ig, two/sw\."):
        folder.load(NER(), "yo", "train")
    with pytest.raises(DataError, match="several folders"):
        folder.load(NER(), "ig", "train")
    with pytest.raises(DataError, match="has no test split; found: train, dev"):
        folder.load(NER(), "one/ig", "test")
    with pytest.raises(DataError, match=r"several files for one split: train\.tsv, train\.txt"):
        folder.load(NER(), "sw", "train")
