"""`xlt data prepare` and `xlt data check`, and what training says of its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import shared
from xltransfer.cli.main import status_of

Capture = pytest.CaptureFixture[str]
TEXTS = {"product_pos.txt": "good\nfine\nnice\n", "product_neg.txt": "bad\npoor\nfine\n"}
INDEX = "\n".join(
    f"# tir {split} index and file\n{numbers}\n['product_pos.txt', 'product_neg.txt']\n"
    for split, numbers in {"train": "[0, 0]", "dev": "[1, 1]", "test": "[2, 2]"}.items()
)


@pytest.fixture(autouse=True)
def sentiraama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus as its authors give it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_corpus()


def write_corpus() -> None:
    Path("theirs").mkdir()
    for name, text in TEXTS.items():
        Path("theirs", name).write_text(text)
    Path("index.txt").write_text(INDEX)


PREPARE = ["data", "prepare", "sentiraama", "--source", "theirs", "--index", "index.txt", "--output", "data/te"]


def test_prepared_files_are_reported_and_usable(capsys: Capture) -> None:
    assert status_of(PREPARE) == 0
    out = capsys.readouterr().out
    assert "dev: 2 texts of 2 entries (1 negative, 1 positive)\n" in out
    assert "dev and test share 1 texts, 0 of them as the same row, 1 with different labels: product_neg.txt:3\n" in out
    assert out.endswith("written to data/te; use it with --data data --target te\n")
    assert Path("data/te/train.tsv").read_text() == "text\tlabel\ngood\tpositive\nbad\tnegative\n"
    assert status_of(["data", "check", "--task", "sentiment", "--data", "data", "--target", "te"]) == 0
    assert "target dev and target test: 1 sentences in two splits" in capsys.readouterr().out


def test_prepare_prints_json_or_nothing(capsys: Capture) -> None:
    assert status_of([*PREPARE, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["corpus"], report["output"]) == ("sentiraama", "data/te")
    assert report["splits"][0]["labels"] == {"negative": 1, "positive": 1}
    assert report["overlaps"][2]["ids"] == ["product_neg.txt:3"]
    assert status_of([*PREPARE[:-1], "quiet/te", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_prepare_persian_says_what_is_odd(capsys: Capture) -> None:
    source = shared("data/sentiment")
    arguments = ["--source", str(source / "fa/sentipers.xlsx"), "--index", str(source / "data_index.txt")]
    assert status_of(["data", "prepare", "sentipers", *arguments, "--output", "fa"]) == 0
    out = capsys.readouterr().out
    for line in ("test: 992 texts of 1000 entries (497 negative, 495 positive)", "  8 entries are None",
                 "  20 repeat an earlier text, 18 of them the same row: ", "dev and test share 36 texts"):  # fmt: skip
        assert line in out


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"sentiraama": "sentirama"}, ["'sentirama'", "Did you mean 'sentiraama'"]),
        ({"theirs": "nowhere"}, ["needs product_neg.txt, product_pos.txt", "received nowhere"]),
        ({"index.txt": "nowhere.txt"}, ["nowhere.txt: cannot be read"]),
        ({"data/te": "theirs"}, ["'theirs' exists"]),
        ({"sentiraama": "sentipers"}, ["no section '# fa train index'"]),
    ],
)
def test_faults_of_prepare(capsys: Capture, change: dict[str, str], expected: list[str]) -> None:
    assert status_of([change.get(argument, argument) for argument in PREPARE]) == 2
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    for text in expected:
        assert text in captured.err
    assert sorted(path.name for path in Path().iterdir()) == ["index.txt", "theirs"]


def corpus(**changed: str) -> None:
    """Languages en and ig in the folder `ner`, a file a split; `ig_dev="..."` changes one."""
    for language in ("en", "ig"):
        Path("ner", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            word = f"{language}{split}"
            text = f"{word} O\nB B-PER\n\n{word} B-PER\nc I-PER\n\n"
            Path("ner", language, f"{split}.txt").write_text(changed.get(f"{language}_{split}", text))


CHECK = ["data", "check", "--data", "ner", "--source", "en", "--target", "ig"]


def test_check_of_good_data(capsys: Capture) -> None:
    corpus()
    assert status_of(CHECK) == 0
    assert capsys.readouterr().out.splitlines() == [
        "source en: 2 sentences", "target train: 2 sentences", "target dev: 2 sentences", "target test: 2 sentences",
        "nothing odd found"]  # fmt: skip
    assert status_of([*CHECK, "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_check_finds_leaks_and_broken_tags(capsys: Capture) -> None:
    corpus(ig_test="a O\nb I-PER\n\nentrain O\nB O\n", ig_dev="x B-PER\n\nx O\n")
    assert status_of([*CHECK, "--json", "--data-opt", "scheme=bio"]) == 0  # else the test file is read as IOB1
    result = json.loads(capsys.readouterr().out)
    assert result["sizes"] == {"source en": 2, "target train": 2, "target dev": 2, "target test": 2}
    assert [(f["kind"], f["where"], f["id"]) for f in result["findings"]] == [
        ("not-bio", "target test", "test.txt:1"),
        ("duplicates", "target dev", "dev.txt:3"),
        ("source-in-target", "source en and target test", "test.txt:4"),
    ]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--data", "ner"], "target: none given; pass --target LANG; it holds: en, ig"),
        (["--data", "nowhere", "--target", "ig"], "'nowhere' is neither a registered dataset nor a folder"),
        (["--data", "ner", "--target", "yo"], "'yo'"),
        (["--data", "ner", "--target", "ig", "--task", "nre"], "'nre'"),
        (["--target", "ig"], "--data"),
    ],
)
def test_faults_of_check(capsys: Capture, arguments: list[str], expected: str) -> None:
    corpus()
    assert status_of(["data", "check", *arguments]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""


RUN = ["run", "--quiet", "--epochs", "1", "--batch-size", "2", "--source-size", "2", "--target-size", "2"]


def test_training_warns_once_a_kind(capsys: Capture) -> None:
    corpus(ig_test="igtrain O\nB B-PER\n\nentrain O\nB O\n")
    assert status_of([*RUN, "--data", "ner", "--source", "en", "--target", "ig"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "warning: data: sentences in two splits of the target: target train and target test 1; first test.txt:1: "
        "'igtrain B'. 'xlt data check' shows one of each.",
        "warning: data: source sentences in the target's dev or test set: source en and target test 1; first "
        "test.txt:4: 'entrain B'. 'xlt data check' shows one of each.",
    ]


def test_training_needs_a_sentence_in_every_set(capsys: Capture) -> None:
    for language in ("en", "ig"):
        Path("texts", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            Path("texts", language, f"{split}.tsv").write_text(f"text\tstars\ngood {split}\t5\nbad {split}\t1\n")
    Path("texts/ig/dev.tsv").write_text("text\tstars\nso so\t3\n")
    assert status_of([*RUN, "--task", "sentiment", "--data", "texts", "--source", "en", "--target", "ig"]) == 2
    assert "data: no sentence with a label of the task in: target dev; give at least one." in capsys.readouterr().err
    assert not Path("runs").exists()
