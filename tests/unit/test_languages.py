"""Spellings of a language meet in one place; a dataset keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from xltransfer.data.languages import english_name, matches, resolve
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.datasets.folder import Folder
from xltransfer.errors import DataError

WIKIANN = CORPORA["wikiann"].languages


@pytest.mark.parametrize(
    "received, corpus, spelling",
    [
        ("sw", "masakhaner", "swa"),
        ("swh", "masakhaner", "swa"),
        ("Swahili", "masakhaner", "swa"),
        ("ig", "masakhaner2", "ibo"),
        ("swa", "wikiann", "sw"),
        ("ibo", "wikiann", "ig"),
        ("que", "wikiann", "qu"),
        ("quechua", "wikiann", "qu"),
        ("cdo", "wikiann", "cdo"),
        ("yue", "wikiann", "zh-yue"),
        ("zh_yue", "wikiann", "zh-yue"),
        ("nan", "wikiann", "zh-min-nan"),
        ("cmn", "wikiann", "zh"),
        ("vro", "wikiann", "fiu-vro"),
        ("eng", "wikiann", "en"),
        ("id", "nusax", "ind"),
        ("Indonesian", "nusax", "ind"),
        ("sw", "afrisenti", "swa"),
    ],
)
def test_any_spelling_leads_to_the_corpus_s_own(received: str, corpus: str, spelling: str) -> None:
    assert resolve(received, CORPORA[corpus].languages, corpus) == spelling


def test_every_own_spelling_of_wikiann_means_itself() -> None:
    assert {name: matches(name, WIKIANN) for name in WIKIANN} == {name: [name] for name in WIKIANN}


def test_scripts_and_treebanks() -> None:
    scripts = ["swh_Latn", "arb_Arab", "arb_Latn"]
    assert matches("sw", scripts) == ["swh_Latn"]
    assert matches("ar", scripts) == ["arb_Arab", "arb_Latn"]
    assert matches("maltese", ["mt_mudt", "en_ewt"]) == ["mt_mudt"]
    assert matches("UD_Maltese-MUDT", ["mt_mudt", "en_ewt"]) == ["mt_mudt"]


def test_a_sister_language_is_not_taken_for_the_one_asked_for() -> None:
    """Min Dong is not Mandarin, and ISO's als (Tosk Albanian) is not Wikipedia's."""
    assert matches("cdo", ["zh"]) == []
    assert matches("gsw", WIKIANN) == ["als"]
    assert matches("aln", WIKIANN) == []


def test_a_misspelt_language_gets_the_nearest_and_an_ambiguous_one_the_choice() -> None:
    with pytest.raises(DataError, match=r"no language 'qechua'.*Did you mean 'qu' \(Quechua\)"):
        resolve("qechua", WIKIANN, "data wikiann")
    with pytest.raises(DataError, match=r"allowed: ibo, swa\.$"):
        resolve("xyz", ["swa", "ibo"], "data x")
    with pytest.raises(DataError, match="ambiguous: en_ewt, en_gum"):
        resolve("English", ["en_gum", "en_ewt"], "data x")


def test_folders_are_found_by_any_spelling(tmp_path: Path) -> None:
    for name in ("swa", "UD_Faroese-FarPaHC"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.txt").write_text("a NOUN\n")
    assert Folder(tmp_path, 0).find("sw").name == "swa"
    assert Folder(tmp_path, 0).find("fo").name == "UD_Faroese-FarPaHC"


def test_english_names() -> None:
    assert (english_name("xmf"), english_name("swa"), english_name("zz9")) == ("Mingrelian", "Swahili", "zz9")
