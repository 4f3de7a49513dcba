"""Named corpora from folders laid out as the hub lays them out, through the code that reads the hub's files."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tests import mirrors
from xltransfer.data.examples import LabelledText, TaggedSentence
from xltransfer.datasets.corpora import hub_files
from xltransfer.datasets.corpora.hub import NamedCorpus
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.errors import DataError, MissingSplitError
from xltransfer.registry import DATASETS, TASKS
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS
from xltransfer.tasks.sentiment import Sentiment


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of Arrow files and of hub snapshots; nothing is written elsewhere."""
    import datasets
    from huggingface_hub import constants

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache / "datasets"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    return cache


def corpus(name: str, mirror: Path | None = None) -> NamedCorpus:
    loaded: NamedCorpus = DATASETS.load(name)(mirror=None if mirror is None else str(mirror))
    return loaded


def labels(examples: list[Any]) -> list[str]:
    return [example.label for example in examples]


def test_every_row_of_the_table_is_a_registered_dataset_with_known_tasks() -> None:
    assert set(CORPORA) == set(DATASETS.names()) - {"synthetic"}
    for name, row in CORPORA.items():
        assert corpus(name).corpus is row
        assert set(row.tasks) <= set(TASKS.names())
        assert row.licence
        assert row.citation
        assert len(set(row.languages)) == len(row.languages)
    assert len(CORPORA["wikiann"].languages) == 176


def test_wikiann_by_its_readme_with_ids_that_name_split_and_row(tmp_path: Path) -> None:
    data = corpus("wikiann", mirrors.wikiann(tmp_path))
    for split, word in (("train", "train"), ("dev", "validation"), ("test", "test")):
        examples = data.load(NER(), "quechua", split)
        assert examples[0] == TaggedSentence(f"qu.{split}:0", (word, "b", "0"), ("O", "B-PER", "O"))
        assert [example.tags[1] for example in examples[:6]] == mirrors.NER[1:7]  # type: ignore[union-attr]
        assert len(examples) == 7


def test_a_mirror_of_two_shards_is_read_in_order(tmp_path: Path) -> None:
    for shard in (0, 1):
        rows, features = mirrors.tagged(f"shard{shard}", 2, mirrors.NER[:7], "ner_tags")
        mirrors.write_parquet(tmp_path / "qu" / f"train-0000{shard}-of-00002.parquet", rows, features)
    examples = corpus("wikiann", tmp_path).load(NER(), "qu", "train")
    assert [example.words[0] for example in examples] == ["shard0"] * 2 + ["shard1"] * 2  # type: ignore[union-attr]
    assert examples[-1].id == "qu.train:3"


@pytest.mark.parametrize("name", ["masakhaner", "masakhaner2"])
def test_masakhaner_keeps_its_dates(name: str, tmp_path: Path) -> None:
    examples = corpus(name, mirrors.masakhaner(tmp_path)).load(NER(), "sw", "dev")
    assert {tag for example in examples for tag in example.tags} == set(mirrors.NER)  # type: ignore[union-attr]
    assert examples[0].id == "swa.dev:0"


def test_universal_dependencies_by_treebank_name_or_only_treebank_of_a_language(tmp_path: Path) -> None:
    data = corpus("universal_dependencies", mirrors.universal_dependencies(tmp_path))
    for language in ("mt_mudt", "maltese", "mt"):
        examples = data.load(POS(), language, "dev")
        assert examples[0].tags == ("NOUN", "PUNCT", "NOUN")  # type: ignore[union-attr]
        assert examples[1].words == ("x", "1")  # type: ignore[union-attr]
    with pytest.raises(DataError, match="ambiguous: en_ewt, en_gum"):
        data.load(POS(), "en", "dev")


@pytest.mark.parametrize("name, column, spelling", [("afrisenti", "tweet", "swa"), ("nusax", "text", "ind")])
def test_three_classes_become_two_or_stay(name: str, column: str, spelling: str, tmp_path: Path) -> None:
    data = corpus(name, mirrors.sentiment(tmp_path, column, (spelling,)))
    assert labels(data.load(Sentiment(), spelling[:2], "train")) == ["negative", "positive"]
    everything = data.load(Sentiment(labels="all"), spelling, "test")
    assert labels(everything) == ["negative", "neutral", "positive"]


def test_sib200_is_a_task_of_all_labels(tmp_path: Path) -> None:
    data = corpus("sib200", mirrors.sib200(tmp_path))
    assert labels(data.load(Sentiment(labels="all"), "sw", "train")) == ["travel", "health"]
    with pytest.raises(DataError, match="--task-opt labels=all"):
        data.load(Sentiment(), "sw", "train")


def test_sst2_has_no_test_labels_and_imdb_no_dev_split(tmp_path: Path) -> None:
    splits = {"train": [("bad", 0), ("good", 1)], "validation": [("good", 1)], "test": [("what", -1)]}
    sst2 = corpus("sst2", mirrors.english(tmp_path / "sst2", "data", "sentence", ["negative", "positive"], splits))
    assert labels(sst2.load(Sentiment(), "English", "train")) == ["negative", "positive"]
    with pytest.raises(MissingSplitError, match="not published"):
        sst2.load(Sentiment(), "en", "test")
    splits = {"train": [("bad", 0)], "test": [("good", 1)], "unsupervised": [("what", -1)]}
    imdb = corpus("imdb", mirrors.english(tmp_path / "imdb", "plain_text", "text", ["neg", "pos"], splits))
    assert labels(imdb.load(Sentiment(), "en", "test")) == ["positive"]
    with pytest.raises(MissingSplitError, match="no dev split; found: train, test"):
        imdb.load(Sentiment(), "en", "dev")


def test_marc_as_published_in_json_lines(tmp_path: Path) -> None:
    data = corpus("marc", mirrors.marc_json(tmp_path))
    examples = data.load(Sentiment(labels="all"), "English", "dev")
    assert examples[0] == LabelledText("en.dev:0", "1 of five", "1", "stars")
    assert labels(data.load(Sentiment(), "de", "train")) == ["negative"] * 2 + ["positive"] * 2


def test_marc_in_the_layouts_of_parquet_mirrors(tmp_path: Path) -> None:
    reviews = [{**mirrors.review(stars), "stars": stars} for stars in (1, 5)]
    german = [{**mirrors.review(4, "de"), "stars": 4}]
    mirrors.write_parquet(tmp_path / "old" / "en" / "amazon_reviews_multi-train.parquet", reviews)
    mirrors.write_parquet(tmp_path / "mixed" / "all_languages" / "train" / "0000.parquet", german + reviews)
    mirrors.write_parquet(tmp_path / "short" / "en" / "train-00000-of-00001.parquet",
                          [{"id": "1", "text": "x", "label": 0}, {"id": "2", "text": "y", "label": 4}])  # fmt: skip
    for layout in ("old", "mixed", "short"):
        examples = corpus("marc", tmp_path / layout).load(Sentiment(labels="all"), "en", "train")
        assert labels(examples) == ["1", "5"], layout
    assert corpus("marc", tmp_path / "mixed").load(Sentiment(), "en", "train")[0].id == "en.train:1"


def test_marc_without_a_copy_says_that_it_was_withdrawn_and_what_to_take_instead() -> None:
    with pytest.raises(DataError, match=r"withdrawn.*2023.*--data-opt mirror=DIR.*--source-data sst2") as raised:
        corpus("marc").load(Sentiment(), "en", "train")
    assert all(name in DATASETS for name in ("sst2", "imdb"))
    assert "json/train/dataset_en_train.json" in str(raised.value)


def test_the_hub_s_own_cache_is_enough(own_cache: Path) -> None:
    """A snapshot as the hub client lays it out, and no network."""
    repository = own_cache / "hub" / "datasets--unimelb-nlp--wikiann"
    mirrors.wikiann(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert len(corpus("wikiann").load(NER(), "qu", "train")) == 7
    with pytest.raises(DataError, match="could not be fetched"):
        corpus("wikiann").load(NER(), "gn", "train")


class Hub:
    """The client's calls, answered from folders: what a repository holds, and what was fetched of it."""

    def __init__(self, repository: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository, self.snapshot = repository, snapshot
        self.fetched: list[str] = []
        monkeypatch.setattr(hub_files, "_probe", lambda: None)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)
        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_tree", self.tree)

    def snapshot_download(
        self, repository: str, *, allow_patterns: list[str] | None, local_files_only: bool, **where: str
    ) -> str:
        assert where["repo_type"] == "dataset"
        if local_files_only:
            if not self.snapshot.is_dir():
                raise FileNotFoundError
            return str(self.snapshot)
        files = [str(path.relative_to(self.repository)) for path in self.repository.rglob("*") if path.is_file()]
        for name in (file for file in files if any(fnmatch(file, pattern) for pattern in allow_patterns or [])):
            self.fetched.append(name)
            (self.snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.repository / name, self.snapshot / name)
        return str(self.snapshot)

    def tree(self, *arguments: str, **where: str) -> list[huggingface_hub.hf_api.RepoFolder]:
        folders = [path.name for path in self.repository.iterdir() if path.is_dir()]
        return [huggingface_hub.hf_api.RepoFolder(path=name, oid="x") for name in folders]  # type: ignore[no-untyped-call]


def test_of_a_repository_a_language_s_files_are_fetched_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(mirrors.wikiann(tmp_path / "hub"), tmp_path / "snapshot", monkeypatch)
    assert len(corpus("wikiann").load(NER(), "quechua", "test")) == 7
    assert set(hub.fetched) == {"README.md", *(f"qu/{name}-00000-of-00001.parquet" for name in mirrors.HUB_SPLITS)}
    hub.fetched.clear()
    corpus("wikiann").load(NER(), "qu", "train")
    assert hub.fetched == []
    corpus("wikiann").load(NER(), "en", "train")
    assert len(hub.fetched) == 4


def test_files_that_a_readme_names_elsewhere_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, features = mirrors.tagged("x", 2, mirrors.UPOS, "upos")
    mirrors.write_parquet(tmp_path / "hub" / "parquet" / "mt-train.parquet", rows, features)
    entry = "- config_name: mt_mudt\n  data_files:\n  - split: train\n    path: /parquet/mt-train.parquet\n"
    (tmp_path / "hub" / "README.md").write_text(f"---\nconfigs:\n{entry}---\n")
    Hub(tmp_path / "hub", tmp_path / "snapshot", monkeypatch)
    assert len(corpus("universal_dependencies").load(POS(), "Maltese", "train")) == 2


def test_a_language_is_looked_for_on_the_hub_though_the_cache_holds_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(mirrors.sib200(tmp_path / "hub"), tmp_path / "snapshot", monkeypatch)
    for language, spelling in (("sw", "swh_Latn"), ("ar", "arb_Arab")):
        examples = corpus("sib200").load(Sentiment(labels="all"), language, "test")
        assert examples[0].id == f"{spelling}.test:0"
    assert len(hub.fetched) == 6


def test_only_parquet_and_json_lines_are_read(tmp_path: Path) -> None:
    """A dataset script in a mirror is not even looked at."""
    (tmp_path / "qu").mkdir()
    (tmp_path / "wikiann.py").write_text("raise SystemExit('run')")
    (tmp_path / "qu" / "train.tsv").write_text("a\tO\n")
    with pytest.raises(DataError, match=r"no parquet or JSON lines files of 'qu'.*qu/train-00000-of-00001\.parquet"):
        corpus("wikiann", tmp_path).load(NER(), "qu", "train")
    (tmp_path / "qu" / "train.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"qu/train\.parquet cannot be read"):
        corpus("wikiann", tmp_path).load(NER(), "qu", "train")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    mirror = mirrors.wikiann(tmp_path / "wikiann")
    with pytest.raises(DataError, match="no labels for POS; allowed tasks: ner"):
        corpus("wikiann", mirror).load(POS(), "qu", "train")
    with pytest.raises(DataError, match="'nowhere' is not a folder"):
        corpus("wikiann", Path("nowhere")).load(NER(), "qu", "train")
    mirrors.write_parquet(tmp_path / "other" / "qu" / "train.parquet", [{"text": "a", "label": 1}])
    with pytest.raises(DataError, match="its columns are text, label; needed: tokens and ner_tags"):
        corpus("wikiann", tmp_path / "other").load(NER(), "qu", "train")
    rows = [{"tokens": ["a"], "upos": [3]}]
    mirrors.write_parquet(tmp_path / "nameless" / "mt_mudt" / "train.parquet", rows)
    with pytest.raises(DataError, match="label 3 has no name"):
        corpus("universal_dependencies", tmp_path / "nameless").load(POS(), "mt_mudt", "train")
    mirrors.write_parquet(tmp_path / "stars" / "en" / "train.parquet", [{"text": "a", "label": 5}])
    with pytest.raises(DataError, match="label is 5; allowed: 0 to 4"):
        corpus("marc", tmp_path / "stars").load(Sentiment(), "en", "train")


def test_a_plugin_s_task_of_the_same_kind_is_served(tmp_path: Path) -> None:
    class Mentions(NER):
        """Derived, as a plugin's task may be."""

    data = corpus("wikiann", mirrors.wikiann(tmp_path))
    assert len(data.load(Mentions(), "qu", "train")) == 7


def test_class_ids_without_names_in_the_file_get_the_table_s(tmp_path: Path) -> None:
    mirrors.write_parquet(tmp_path / "qu" / "train.parquet", [{"tokens": ["a", "b"], "ner_tags": [0, 6]}])
    (example,) = corpus("wikiann", tmp_path).load(NER(), "qu", "train")
    assert example.tags == ("O", "I-LOC")  # type: ignore[union-attr]
    assert json.dumps(example.id) == '"qu.train:0"'
