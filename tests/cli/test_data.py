"""`xlt data ls`, `xlt data show`, named corpora without a network, and a source from another dataset."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
from huggingface_hub import constants

from tests import mirrors
from xltransfer.cli.main import status_of
from xltransfer.datasets.corpora.table import CONVERTED, CORPORA
from xltransfer.encoders.loading import open_encoder

Capture = pytest.CaptureFixture[str]
SHORT = ["--quiet", "--json", "--epochs", "1", "--source-size", "4", "--target-size", "4", "--batch-size", "4"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "arrow"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def test_ls_says_what_each_corpus_is_and_where_it_comes_from(capsys: Capture) -> None:
    assert status_of(["data", "ls"]) == 0
    printed = capsys.readouterr().out
    for row in CORPORA.values():
        assert f"{row.name}  ({', '.join(row.tasks)})" in printed
        assert row.licence in printed
        assert row.size in printed
    assert "176: ace af als am an ang ...\n" in printed
    assert "xmf" not in printed
    assert status_of(["data", "ls", "-v"]) == 0
    verbose = capsys.readouterr().out
    assert " xmf " in verbose
    assert f"hf download masakhane/masakhaner --repo-type dataset --revision {CONVERTED} --local-dir DIR" in verbose
    assert status_of(["data", "ls", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["wikiann"]["languages"] == list(CORPORA["wikiann"].languages)


def test_show_counts_labels_lengths_and_subwords_of_every_split(tmp_path: Path, capsys: Capture) -> None:
    mirror = mirrors.wikiann(tmp_path / "mirror")
    command = ["data", "show", "wikiann", "--target", "Quechua", "--data-opt", f"mirror={mirror}"]
    assert status_of([*command, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["train", "dev", "test", "files", "examples", "notes"]
    train = shown["train"]
    assert train["examples"] == 7
    assert train["labels"] == {"O": 14, "B-PER": 2, **dict.fromkeys(mirrors.NER[2:7], 1)}
    assert (train["mean_length"], train["median_length"], train["longest"]) == (3, 3, 3)
    assert status_of(command) == 0
    table = capsys.readouterr().out
    assert "wikiann, qu: ner; subwords of tiny" in table
    assert "subwords a word" in table


def test_show_reads_folders_and_counts_subwords_the_encoder_does_not_know(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "data" / "ig").mkdir(parents=True)
    (tmp_path / "data" / "ig" / "train.txt").write_text("fi O\n\u4e00 B-PER\n\n")
    assert status_of(["data", "show", str(tmp_path / "data"), "--target", "ibo", "--json"]) == 0
    train = json.loads(capsys.readouterr().out)["train"]
    assert train["labels"] == {"O": 1, "B-PER": 1}
    tokenizer = open_encoder("tiny").tokenizer
    known, unknown = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("fi", "\u4e00"))
    assert tokenizer.unk_token_id not in known
    assert unknown.count(tokenizer.unk_token_id) == 1
    assert train["subwords_per_word"] == len(known + unknown) / 2
    assert train["unknown_subwords"] == 1 / len(known + unknown)


def test_show_takes_a_topic_corpus_as_it_is(tmp_path: Path, capsys: Capture) -> None:
    mirror = mirrors.sib200(tmp_path / "mirror")
    assert status_of(["data", "show", "sib200", "--target", "sw", "--data-opt", f"mirror={mirror}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dev"]["labels"] == {"travel": 1, "health": 1}


@pytest.mark.slow
def test_a_run_on_a_named_corpus_names_languages_as_the_corpus_does(tmp_path: Path, capsys: Capture) -> None:
    mirror = mirrors.wikiann(tmp_path / "mirror")
    run = ["run", *SHORT, "--data", "wikiann", "--data-opt", f"mirror={mirror}", "--source", "English"]
    assert status_of([*run, "--target", "que"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["meta"]["source"], result["meta"]["target"]) == (["en"], "qu")
    assert Path(result["run_dir"]) == Path("runs/ner-en-qu-metaxl-seed11")
    assert status_of([*run, "--target", "eng"]) == 2
    assert "'en' is also a source" in capsys.readouterr().err


def test_the_sources_may_come_from_another_dataset(tmp_path: Path, capsys: Capture) -> None:
    """English MARC or SST-2 beside a target in a folder of the user's."""
    for split in ("train", "dev", "test"):
        (tmp_path / "data" / "te").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "te" / f"{split}.tsv").write_text("text\tlabel\nfi\t1\nga\t0\ngo\t1\nbu\t0\n")
    marc = mirrors.marc_json(tmp_path / "marc")
    run = ["run", *SHORT, "--task", "sentiment", "--data", "data", "--source", "en", "--target", "te"]
    assert status_of([*run, "--source-data", "marc", "--source-data-opt", f"mirror={marc}"]) == 0
    saved = Path(json.loads(capsys.readouterr().out)["run_dir"])
    assert status_of(["evaluate", str(saved)]) == 0
    assert f"source_data: marc\nsource_data_options:\n  mirror: {marc}\n" in (saved / "config.yaml").read_text()
    capsys.readouterr()
    assert status_of([*run, "--source-data-opt", "mirror=x"]) == 2
    assert "name a source_data too" in capsys.readouterr().err
    assert status_of([*run, "--source-data", "marc", "--source-data-opt", "miror=x"]) == 2
    assert "Did you mean 'mirror'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"marc"}))
def test_offline_the_error_names_corpus_route_and_cache(name: str, tmp_path: Path, capsys: Capture) -> None:
    language = CORPORA[name].languages[0] if CORPORA[name].languages else "sw"
    assert status_of(["data", "show", name, "--target", language]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"data {name}: {CORPORA[name].repository} could not be fetched" in line
    assert f"hf download {CORPORA[name].repository} --repo-type dataset" in line
    assert ("--revision refs/convert/parquet" in line) == (CORPORA[name].revision == CONVERTED)
    assert "--local-dir DIR" in line
    assert "--data-opt mirror=DIR" in line
    assert str(tmp_path / "hub") in line


LOOK = """
import time
from xltransfer.datasets.corpora import hub_files
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.errors import DataError

started = time.monotonic()
try:
    hub_files.find_files(CORPORA["wikiann"], None, "qu")
except DataError as error:
    print(time.monotonic() - started, error)
"""


def started(arguments: list[str], hub: str, home: Path) -> subprocess.Popen[str]:
    """A process that looks for the hub at another address, with nothing cached."""
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub,
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("HF_HUB_CACHE", None)
    return subprocess.Popen(
        [sys.executable, "-c", *arguments], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.slow
def test_an_unreachable_hub_ends_a_run_within_ten_seconds_in_one_line(tmp_path: Path) -> None:
    run = ["run", "--data", "wikiann", "--source", "en", "--target", "qu", "--quiet", "--output", str(tmp_path / "run")]
    begin = time.monotonic()
    process = started(["from xltransfer.cli.main import main; main()", *run], "http://127.0.0.1:9", tmp_path / "home")
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 10
    assert process.returncode == 2
    (line,) = errors.splitlines()
    assert line.startswith("xlt: error: data wikiann: unimelb-nlp/wikiann could not be fetched")
    assert str(tmp_path / "home" / "hub") in line
    assert not (tmp_path / "run").exists()


def test_a_hub_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        process = started([LOOK], f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "home")
        printed, errors = process.communicate(timeout=60)
    seconds, _, message = printed.partition(" ")
    assert float(seconds) < 5, errors
    assert "could not be fetched" in message
