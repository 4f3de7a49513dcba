"""The published experiments by name: all parse and validate; a few run, cut down, on the embedded encoder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import datasets
import pytest
import yaml

from tests import mirrors
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.data.languages import matches
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.errors import ConfigError
from xltransfer.recipes.catalogue import FOLDER, find, recipes

Capture = pytest.CaptureFixture[str]
TARGETS = {"qu": "es", "cdo": "zh", "ilo": "id", "xmf": "ka", "mhr": "ru", "mi": "id", "tk": "tr", "gn": "es"}
CUT = ["--quiet", "--json", "--encoder", "tiny", "--layer", "2", "--epochs", "1", "--source-size", "4",
       "--target-size", "4", "--batch-size", "4", "--max-length", "32"]  # fmt: skip


PUBLISHED = [name for name in recipes() if name.startswith("metaxl/")]


def config(name: str) -> RunConfig:
    recipe = find(name)
    return RunConfig.from_mapping(recipe.with_options(dict.fromkeys(recipe.needs, "DIR"))).validated()


def test_every_cell_of_the_tables_has_a_name() -> None:
    variants = ("", "-released", "-joint")
    expected = {
        f"metaxl/ner-en-{t}{size}{v}" for t in TARGETS for size in ("", "-1k", "-10k", "-20k") for v in variants
    }
    expected |= {f"metaxl/ner-{related}-{t}{v}" for t, related in TARGETS.items() for v in variants}
    expected |= {f"metaxl/ner-{t}-target-only" for t in TARGETS}
    expected |= {f"metaxl/sentiment-en-{t}{size}{v}" for t in ("te", "fa") for size in ("", "-5k", "-10k")
                 for v in variants}  # fmt: skip
    expected |= {f"metaxl/sentiment-{t}-target-only" for t in ("te", "fa")}
    expected |= {f"metaxl/sentiment-en-te{size}-mbert{v}" for size in ("", "-5k", "-10k") for v in variants}
    assert set(PUBLISHED) == expected
    assert set(recipes()) == {*expected, "best/ner", "best/pos", "best/classification"}


@pytest.mark.parametrize("task", ["ner", "pos", "classification"])
def test_the_best_is_joint_training_and_a_student_of_it(task: str) -> None:
    assert config(f"best/{task}") == RunConfig(task=task, method="joint", rounds=1).validated()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_validates_and_does_what_its_name_says(name: str) -> None:
    found = config(name)
    task, *rest = name.removeprefix("metaxl/").split("-")
    assert found.task == task
    assert found.target in rest[:2]
    assert found.method == ("target-only" if "target" in rest else "joint" if "joint" in rest else "metaxl")
    if "target" not in rest:
        assert found.source == (rest[0],)
    sizes = [int(word[:-1]) * 1000 for word in rest if word in ("1k", "5k", "10k", "20k")]
    assert found.source_size == (sizes or [5000 if task == "ner" else 1000])[0]
    order = "released" if "released" in rest else "published"
    assert found.method_options.get("order", order) == order
    assert (found.lr, found.meta_lr, found.optimizer, found.weight_decay) == (3e-5, 1e-6, "adam", 5e-4)
    assert (found.epochs, found.batch_size, found.layer, found.seed, found.data_seed) == (20, 10, (12,), 11, 42)
    assert found.rtn_options == {"bottleneck": 192, "gate": True, "activation": "relu", "init": "released"}


def test_languages_are_the_corpora_s_own() -> None:
    for name in PUBLISHED:
        values = find(name).values
        source = CORPORA[str(values.get("source_data", values.get("data")))].languages
        assert matches(values["source"][0], source) == values["source"]
        if values["task"] == "ner":
            assert matches(values["target"], CORPORA["wikiann"].languages) == [values["target"]]


def test_files_say_the_source_of_every_value_and_hold_no_path_of_a_machine() -> None:
    for file in FOLDER.glob("*/*.yaml"):
        text = file.read_text(encoding="utf-8")
        values = re.split(r"methods:|\ngroups:", text.split("values: &values\n")[1])[0]
        for line in filter(str.strip, values.splitlines()):
            assert " # " in line or line.endswith(":") or line.strip().startswith("task:"), line
        assert "/home" not in text
        assert "/work" not in text
        assert yaml.safe_load(text)["groups"]


def test_ls_lists_them_all(capsys: Capture) -> None:
    assert status_of(["ls", "recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes())
    assert lines[0].split(maxsplit=1) == [
        "best/ner", "ner: joint, 1 round of self-training, your data and encoder"]  # fmt: skip
    assert "ner: en to qu, metaxl, 5,000 and 100 training sentences" in lines[3]
    assert status_of(["ls", "recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[3]["target"] == "qu"
    assert status_of(["ls", "recipes", "-v"]) == 0
    assert "meta_lr: 1e-06" in capsys.readouterr().out


def test_unknown_names_two_files_and_missing_corpora_are_refused(capsys: Capture) -> None:
    assert status_of(["run", "--recipe", "metaxl/ner-en-qq"]) == 2
    assert "Did you mean 'metaxl/ner-en-qu'" in capsys.readouterr().err
    assert status_of(["run", "--recipe", "metaxl/ner-en-qu", "--config", "x.yaml"]) == 2
    assert "--config 'x.yaml' and --recipe 'metaxl/ner-en-qu': give one of them" in capsys.readouterr().err
    for target, corpus in (("te", "Sentiraama"), ("fa", "SentiPers")):
        with pytest.raises(ConfigError, match=f"bring {corpus}.*--data DIR"):
            find(f"metaxl/sentiment-en-{target}").with_options({})


def test_options_override_and_those_of_another_part_fall_away() -> None:
    merged = find("metaxl/ner-en-qu").with_options({"lr": "1e-4", "rtn_options": {"bottleneck": 8}})
    assert merged["lr"] == "1e-4"
    assert merged["rtn_options"] == {"bottleneck": 8, "gate": True, "activation": "relu", "init": "released"}
    merged = find("metaxl/ner-en-qu").with_options({"rtn": "lowrank", "method": "joint"})
    RunConfig.from_mapping(merged).validated()
    assert find("metaxl/ner-en-qu").values["rtn"] == "mlp"


@pytest.mark.parametrize("name", ["ner-en-qu", "ner-es-qu-released", "ner-en-qu-10k-joint", "ner-qu-target-only"])
def test_ner_recipes_run_cut_down(name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "arrow"))
    mirror = mirrors.wikiann(tmp_path / "mirror", ("en", "es", "qu"))
    given = [*CUT, "--data-opt", f"mirror={mirror}", "--output", str(tmp_path / "run")]
    assert status_of(["run", "--recipe", f"metaxl/{name}", *given]) == 0
    assert json.loads(capsys.readouterr().out)["meta"]["target"] == "qu"
    saved = RunConfig.from_yaml(tmp_path / "run" / "config.yaml")
    assert saved.meta_lr == 1e-6
    assert saved.rtn_options["bottleneck"] == 192


@pytest.mark.parametrize("name", ["sentiment-en-te-5k", "sentiment-en-fa-released"])
def test_sentiment_recipes_run_cut_down(
    name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "arrow"))
    marc = mirrors.marc_json(tmp_path / "marc")
    for split in ("train", "dev", "test"):
        folder = tmp_path / "data" / find(f"metaxl/{name}").values["target"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.tsv").write_text("text\tlabel\nfi\t1\nga\t0\ngo\t1\nbu\t0\n")
    given = [*CUT, "--data", str(tmp_path / "data"), "--source-data-opt", f"mirror={marc}"]
    assert status_of(["run", "--recipe", f"metaxl/{name}", *given, "--output", str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["meta"]["source"] == ["en"]
