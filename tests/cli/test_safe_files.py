"""Files of somebody else's are read, never run: pickles, YAML tags, code in folders, plugins."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.refusals import SHORT, SYNTHETIC, refused
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.data.encoding_cache import FOLDER
from xltransfer.encoders.tiny import Tiny
from xltransfer.training.run import RunResult
from xltransfer.training.trained_model import TrainedModel
from xltransfer.utils.cache import cache_folder

Capture = pytest.CaptureFixture[str]


class Bomb:
    """Unpickling it makes a folder `executed` where the tests run."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(Path.cwd() / "executed"),)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["pickle", "torch.save"])
def bomb(request: pytest.FixtureRequest) -> bytes:
    if request.param == "pickle":
        content = pickle.dumps(Bomb())
    else:
        torch.save(Bomb(), "bomb.bin")
        content = Path("bomb.bin").read_bytes()
    pickle.loads(pickle.dumps(Bomb()))
    os.rmdir("executed")  # it does go off
    return content


def encoder() -> Path:
    return Path(shutil.copytree(Tiny.folder, "encoder"))


def corpus(suffix: str, content: str) -> Path:
    for language in ("en", "ig"):
        Path("data", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            Path("data", language, f"{split}.{suffix}").write_text(content)
    return Path("data")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json",
             "model.safetensors.index.json", "adapter_config.json"]
)  # fmt: skip
def test_a_pickle_in_an_encoder_folder(name: str, bomb: bytes, capsys: Capture) -> None:
    (encoder() / name).write_bytes(bomb)
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], "encoder")


def test_pickled_weights_are_not_read(bomb: bytes, capsys: Capture) -> None:
    folder = encoder()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "pytorch_model.bin").write_bytes(bomb)
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], "pickled .bin files are not read")


def test_pickled_shards_named_by_an_index_are_not_read(bomb: bytes, capsys: Capture) -> None:
    folder = encoder()
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / "shard.bin").write_bytes(bomb)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": "shard.bin"}}))
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], "'shard.bin'; allowed: .safetensors files")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../encoder/other.safetensors"}}')
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], "'../encoder/other.safetensors'; allowed")


@pytest.mark.parametrize("name", ["config.yaml", "model/config.json", "model/model.safetensors",
                                  "model/tokenizer.json", "model/tokenizer_config.json"])  # fmt: skip
def test_a_pickle_in_a_run_folder(name: str, bomb: bytes, finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    (run / name).write_bytes(bomb)
    refused(capsys, ["evaluate", "run"])
    if name == "config.yaml":
        refused(capsys, [*SHORT, "--config", "run/config.yaml"], "is not YAML")
    else:
        Path("line.txt").write_text("Fi tafa gor.")
        refused(capsys, ["predict", "run", "--input", "line.txt"])


@pytest.mark.parametrize("name", ["rtn/rtn.safetensors", "rtn/config.json", "metrics.json", "environment.json"])
def test_a_pickle_where_evaluation_does_not_look(
    name: str, bomb: bytes, finished_runs: dict[str, RunResult], capsys: Capture
) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    (run / name).write_bytes(bomb)
    assert status_of(["evaluate", "run"]) == 0
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "task, suffix, content",
    [
        ("ner", "txt", "a O\nB B-PER\n\n"),
        ("pos", "conllu", "1\ta\ta\tDET\t_\t_\t0\t_\t_\t_\n"),
        ("sentiment", "tsv", "text\tlabel\ngood\tpos\n"),
        ("sentiment", "csv", "text,label\ngood,pos\n"),
        ("sentiment", "json", '[{"text": "good", "label": "pos"}]'),
        ("sentiment", "xlsx", ""),
    ],
)
def test_a_pickle_among_data_files(task: str, suffix: str, content: str, bomb: bytes, capsys: Capture) -> None:
    folder = corpus(suffix, content)
    for language in ("en", "ig"):
        (folder / language / f"train.{suffix}").write_bytes(bomb)
    refused(capsys, [*SHORT, "--task", task, "--data", "data", "--source", "en", "--target", "ig"], f"train.{suffix}")


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_pickle_in_a_mirror(
    suffix: str, bomb: bytes, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    for split in ("train", "validation", "test"):
        Path("mirror", "en").mkdir(parents=True, exist_ok=True)
        Path("mirror", "en", f"{split}-00000-of-00001.{suffix}").write_bytes(bomb)
    refused(capsys, ["data", "show", "wikiann", "--target", "en", "--data-opt", "mirror=mirror"], "cannot be read")


def test_a_pickle_as_an_index_of_splits(bomb: bytes, capsys: Capture) -> None:
    Path("data", "tir").mkdir(parents=True)
    Path("data", "tir", "product_pos.txt").write_text("good\n")
    Path("data", "data_index.txt").write_bytes(bomb)
    refused(capsys, ["data", "check", "--task", "sentiment", "--data", "data", "--target", "tir"], "data_index.txt")


@pytest.mark.slow
def test_a_pickle_in_the_cache_is_encoded_anew(bomb: bytes) -> None:
    assert status_of([*SHORT, *SYNTHETIC, "--output", "one"]) == 0
    kept = sorted((cache_folder() / FOLDER).iterdir())
    for file in kept:
        file.write_bytes(bomb)
    (cache_folder() / "backend-auto.json").write_bytes(bomb)
    assert status_of([*SHORT, *SYNTHETIC, "--output", "two", "--backend", "auto"]) == 0
    assert not Path("executed").exists()
    assert all(file.read_bytes() != bomb for file in kept)


TAGS = ["!!python/object/apply:os.mkdir [executed]", "!!python/object/new:os.mkdir [executed]",
        "!!python/name:os.mkdir", "!!python/module:os"]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_yaml_with_a_python_tag(tag: str, finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    Path("mine.yaml").write_text(f"task: {tag}\n")
    refused(capsys, [*SHORT, "--config", "mine.yaml"], "'mine.yaml' is not YAML: could not determine a constructor")
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    (run / "config.yaml").write_text(f"task: {tag}\n")
    refused(capsys, ["evaluate", "run"], "could not determine a constructor")
    mirror = Path("mirror")
    mirror.mkdir()
    (mirror / "README.md").write_text(f"---\nconfigs: {tag}\n---\n")
    refused(capsys, ["data", "show", "wikiann", "--target", "en", "--data-opt", "mirror=mirror"], "holds no parquet")


@pytest.mark.parametrize("file, kind", [("config.json", "AutoConfig"), ("tokenizer_config.json", "AutoTokenizer")])
@pytest.mark.parametrize("architecture", ["as it was", "of its own"])
def test_a_folder_with_code(
    file: str, kind: str, architecture: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a name of its own, transformers would ask on the terminal whether to run the code."""
    folder = encoder()
    (folder / "code.py").write_text("import os\nos.mkdir('executed')\nclass Mine: pass\n")
    values = json.loads((folder / file).read_text())
    values["auto_map"] = {kind: "code.Mine", "AutoModel": "code.Mine"}
    (folder / file).write_text(json.dumps(values))
    if architecture == "of its own":
        described = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**described, "model_type": "mine"}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], "names code of its own (auto_map", "never run")


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("attn_implementation", "some/kernel", "names compiled code from the hub"),
        ("_attn_implementation", "some/kernel@v1:flash", "names compiled code from the hub"),
        ("transformers_weights", "adapter_model.bin", "allowed: a .safetensors file there"),
        ("transformers_weights", "../there.safetensors", "allowed: a .safetensors file there"),
    ],
)
def test_a_configuration_that_names_code_or_weights_elsewhere(
    key: str, value: str, expected: str, capsys: Capture
) -> None:
    folder = encoder()
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, key: value}))
    refused(capsys, [*SHORT, *SYNTHETIC, "--encoder", "./encoder"], expected)


PLUGIN = "import os\nos.mkdir('executed')\n"


def test_a_plugin_that_only_a_configuration_file_names_is_not_run(capsys: Capture) -> None:
    Path("evil.py").write_text(PLUGIN)
    Path("mine.yaml").write_text("plugin: [evil.py]\nepochs: 1\n")
    refused(
        capsys, [*SHORT, "--config", "mine.yaml"],
        "configuration file 'mine.yaml' names code; nothing is run that you do not name yourself. If you trust it, "
        "add: --plugin evil.py",
    )  # fmt: skip
    with pytest.raises(Exception, match="names code"):
        RunConfig.from_yaml("mine.yaml")
    status_of([*SHORT, "--config", "mine.yaml", "--plugin", "evil.py"])
    assert Path("executed").exists()


@pytest.mark.parametrize(
    "line, flag",
    [
        ("task: evil:Task", "--task evil:Task"),
        ("data: evil:Data", "--data evil:Data"),
        ("encoder: evil:Encoder", "--encoder evil:Encoder"),
        ("rtn: evil:RTN", "--rtn evil:RTN"),
        ("backend: evil:Backend", "--backend evil:Backend"),
        ("method: evil:Method", "--method evil:Method"),
        ("source_data: evil:Data", "--source-data evil:Data"),
        ("rtn: multi\nrtn_options: {inner: 'evil:RTN'}", "--rtn-opt inner=evil:RTN"),
    ],
)
def test_a_class_that_only_a_configuration_file_names_is_not_imported(
    line: str, flag: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("evil.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(".")
    Path("mine.yaml").write_text(line + "\n")
    refused(capsys, [*SHORT, "--config", "mine.yaml"], f"nothing is imported that you do not name yourself. If you "
            f"trust it, add: {flag}")  # fmt: skip


def test_an_empty_file_of_the_name_makes_no_code_trusted(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("evil.py").write_text(PLUGIN)
    Path("evil:RTN").touch()
    monkeypatch.syspath_prepend(".")
    Path("mine.yaml").write_text("rtn: evil:RTN\n")
    refused(capsys, [*SHORT, "--config", "mine.yaml"], "names the code 'evil:RTN'")


def test_a_downloaded_run_does_not_run_what_it_names(
    finished_runs: dict[str, RunResult], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    Path("evil.py").write_text(PLUGIN)
    Path("line.txt").write_text("Fi tafa gor.")
    monkeypatch.syspath_prepend(".")
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "plugin": ["evil.py"], "rtn": "evil:RTN"}))
    assert status_of(["evaluate", "run"]) == 0  # an RTN plays no part in evaluation
    inner = {"rtn": "multi", "rtn_options": {"inner": "evil:RTN"}, "encoder": "evil:Encoder"}
    (run / "config.yaml").write_text(yaml.safe_dump({**config, **inner}))
    assert status_of(["evaluate", "run"]) == 0
    assert not Path("executed").exists()
    saved = json.loads((run / "model" / "config.json").read_text())
    saved["xltransfer"]["task"] = "evil:Task"
    (run / "model" / "config.json").write_text(json.dumps(saved))
    refused(capsys, ["predict", "run", "--input", "line.txt"], "names the code 'evil:Task'", "add: --task evil:Task")
    refused(capsys, ["evaluate", "run"], "add: --task evil:Task")


def test_trust_remote_code_is_never_true() -> None:
    import xltransfer

    sources = "\n".join(path.read_text() for path in Path(xltransfer.__file__).parent.rglob("*.py"))
    assert sources.count("trust_remote_code") == 1
    assert '"trust_remote_code": False' in sources
    for unsafe in ("pickle", "torch.load(", "yaml.load(", "eval(", "exec("):
        assert f" {unsafe}" not in sources.replace("literal_eval(", ""), unsafe


def test_a_model_with_a_task_that_does_not_fit_its_configuration_is_refused(
    finished_runs: dict[str, RunResult], capsys: Capture
) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    saved = json.loads((run / "model" / "config.json").read_text())
    Path("line.txt").write_text("Fi tafa gor.")
    for wrong in ({"task": "ner"}, {"task": 3}, {"task": "nre"}, {"task": "ner", "task_options": {"x": 1}}):
        (run / "model" / "config.json").write_text(json.dumps({**saved, "xltransfer": wrong}))
        assert status_of(["predict", "run", "--input", "line.txt"]) == (0 if wrong == {"task": "ner"} else 2)
    assert TrainedModel.load(finished_runs["ner"].run_dir).max_length == 64
