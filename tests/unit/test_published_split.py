"""Published sentiment splits: rebuilt to the published counts, written for others to read, and what is odd in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import shared
from xltransfer.datasets.folder import Folder
from xltransfer.datasets.published.prepare import prepare_split
from xltransfer.datasets.published.report import SplitReport
from xltransfer.datasets.published.splits import read_index
from xltransfer.errors import DataError
from xltransfer.tasks.sentiment import Sentiment

SPLITS = ("train", "dev", "test")
PUBLISHED = {
    "sentiraama": ("te", [(44, 56), (40, 63), (53, 47)]),
    "sentipers": ("fa", [(49, 50), (493, 491), (497, 495)]),
}
"""The folder of the corpus; negative and positive texts of train, dev and test."""


def prepared(corpus: str, output: Path) -> SplitReport:
    source = shared("data/sentiment")
    return prepare_split(corpus, [source / PUBLISHED[corpus][0]], source / "data_index.txt", output)


@pytest.mark.slow
@pytest.mark.parametrize("corpus", PUBLISHED)
def test_files_hold_the_published_splits_as_the_index_gives_them(corpus: str, tmp_path: Path) -> None:
    language, counts = PUBLISHED[corpus]
    report = prepared(corpus, tmp_path / language)
    ours, task = Folder(tmp_path, 42), Sentiment()
    for split, (negative, positive), summary in zip(SPLITS, counts, report.splits, strict=True):
        examples = ours.load(task, language, split)
        direct = Folder(shared("data/sentiment"), 42).load(task, language, split)
        assert [(e.text, e.label) for e in examples] == [(e.text, e.label) for e in direct]  # type: ignore[union-attr]
        assert summary.labels == {"negative": negative, "positive": positive}
        assert summary.texts == len(examples) == negative + positive
    assert sorted(path.name for path in tmp_path.iterdir()) == [language]


def test_report_of_the_persian_index(tmp_path: Path) -> None:
    """Rows as counted from the index by itself, with sets of its numbers; moved entries share no row."""
    report = prepared("sentipers", tmp_path / "fa")
    assert [part.entries for part in report.splits] == [100, 1000, 1000]
    assert [part.none for part in report.splits] == [1, 16, 8]
    assert [part.unlabelled for part in report.splits] == [0, 0, 0]
    assert sum(len(part.moved) for part in report.splits) == 8
    assert [part.repeated_rows for part in report.splits] == [0, 23, 18]
    assert [part.repeated_texts for part in report.splits] == [0, 24, 20]
    assert [(pair.splits, pair.rows, pair.texts) for pair in report.overlaps] == [
        (("train", "dev"), 1, 3), (("train", "test"), 3, 3), (("dev", "test"), 34, 36)]  # fmt: skip
    text = "\n".join(report.lines())
    for line in ("dev: 984 texts of 1000 entries (493 negative, 491 positive)", "  16 entries are None",
                 "  24 repeat an earlier text, 23 of them the same row: ",
                 "dev and test share 36 texts, 34 of them as the same row, 0 with different labels: "):  # fmt: skip
        assert line in text


def test_telugu_split_has_nothing_odd(tmp_path: Path) -> None:
    report = prepared("sentiraama", tmp_path / "te")
    assert all(part.none == part.unlabelled == part.repeated_texts == 0 for part in report.splits)
    assert all(pair.texts == pair.rows == 0 for pair in report.overlaps)


TEXTS = {"p_pos.txt": "good\nfine\ngood\n", "p_neg.txt": "bad\nfine\n"}
INDEX = """# tir train index and file
[0, None, 2]
['p_pos.txt', None, 'p_pos.txt']

# tir dev index and file
[1, 0]
['p_pos.txt', 'p_neg.txt']

# tir test index and file
[1]
['p_neg.txt']
"""


def corpus_of(folder: Path, index: str = INDEX) -> tuple[list[Path], Path]:
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "data_index.txt").write_text(index)
    return [folder / name for name in TEXTS], folder / "data_index.txt"


def test_repeated_and_contradicting_texts_are_counted(tmp_path: Path) -> None:
    report = prepare_split("sentiraama", *corpus_of(tmp_path), tmp_path / "te")
    train = report.splits[0]
    assert (train.texts, train.none, train.repeated_rows, train.repeated_texts) == (2, 1, 0, 1)
    assert train.repeated_ids == ("p_pos.txt:3",)
    assert report.overlaps[2].ids == ("p_neg.txt:2",)
    assert [(pair.texts, pair.rows, pair.contradicting) for pair in report.overlaps] == [
        (0, 0, 0),
        (0, 0, 0),
        (1, 0, 1),
    ]
    assert (tmp_path / "te" / "dev.tsv").read_text() == "text\tlabel\nfine\tpositive\nbad\tnegative\n"


@pytest.mark.parametrize(
    "index, message",
    [
        (INDEX.replace("[1, 0]", "[1, 9]"), r"data_index\.txt: dev entry 9 of p_neg\.txt: there is no such text"),
        (INDEX.replace("[1, 0]", "[1, -1]"), r"dev entry -1 of p_neg\.txt"),
        (INDEX.replace("[1, 0]", "[1, 0"), r"data_index\.txt:6: not a list of numbers: '\[1, 0'"),
        (INDEX.replace("[1, 0]", "[1, '0']"), r"data_index\.txt:6: not a list of numbers"),
        (INDEX.replace("[1, 0]", "[1]"), r"data_index\.txt:7: 2 names for 1 numbers"),
        (INDEX.replace("['p_neg.txt']", "[3]"), r"data_index\.txt:11: not a list of names"),
        (INDEX + "# fa dev index", r"data_index\.txt:13: not a list of numbers: ''"),
        (INDEX.replace("# tir test", "# te test"), r"no section '# tir test index', which sentiraama needs"),
    ],
)
def test_faults_of_an_index_leave_nothing_behind(tmp_path: Path, index: str, message: str) -> None:
    sources, path = corpus_of(tmp_path, index)
    with pytest.raises(DataError, match=message):
        prepare_split("sentiraama", sources, path, tmp_path / "te")
    assert {file.name for file in tmp_path.iterdir()} == {*TEXTS, "data_index.txt"}
    assert [section.split for section in read_index(corpus_of(tmp_path)[1])] == list(SPLITS)


def test_sources_and_output_that_do_not_do(tmp_path: Path) -> None:
    sources, index = corpus_of(tmp_path)
    with pytest.raises(DataError, match=r"sentiraama needs p_neg\.txt, p_pos\.txt; received p_pos\.txt"):
        prepare_split("sentiraama", sources[:1], index, tmp_path / "te")
    with pytest.raises(DataError, match=r"received 'sentipres'; allowed: sentipers, sentiraama\. Did you mean"):
        prepare_split("sentipres", sources, index, tmp_path / "te")
    (tmp_path / "te").mkdir()
    with pytest.raises(DataError, match=r"te' exists; name another folder"):
        prepare_split("sentiraama", sources, index, tmp_path / "te")
    with pytest.raises(DataError, match="cannot be written: Not a directory"):
        prepare_split("sentiraama", sources, index, index / "te")
