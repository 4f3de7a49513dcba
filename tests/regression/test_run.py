"""Whole runs on the embedded default: files, scores, determinism, and the exported model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import torch
import transformers

from tests.conftest import short_run
from tests.tiers import first_quick
from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.datasets.synthetic.dataset import Synthetic
from xltransfer.registry import METHODS, TASKS
from xltransfer.training.run import VARYING_METRICS, RunResult, run
from xltransfer.training.trained_model import TrainedModel, evaluate


def stable(result: RunResult) -> str:
    metrics = json.loads((result.run_dir / "metrics.json").read_text())
    return json.dumps({key: value for key, value in metrics.items() if key not in VARYING_METRICS})


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_leaves_the_files_of_the_design(method: str, tmp_path: Path) -> None:
    result = short_run(tmp_path / "run", method=method)
    names = {path.name for path in result.run_dir.iterdir()}
    expected = {"config.yaml", "metrics.json", "log.jsonl", "environment.json", "samples.json", "model",
                "predictions.dev.tsv", "predictions.test.tsv"}  # fmt: skip
    assert names == expected | ({"rtn"} if METHODS.load(method).uses_rtn else set())
    metrics = json.loads((result.run_dir / "metrics.json").read_text())
    assert list(metrics) == [
        "task",
        "metric",
        "best_epoch",
        "dev",
        "test",
        "steps",
        "seconds",
        "peak_memory_bytes",
        "meta",
    ]
    assert set(metrics["dev"]) == set(metrics["test"]) == {"f1", "precision", "recall", "accuracy"}
    lines = [json.loads(line) for line in (result.run_dir / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "lr" in line] == [1, 2, 3]
    assert lines[-1]["dev"] == metrics["dev"]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS.names())
def test_training_beats_the_majority_baseline(task: str, tmp_path: Path) -> None:
    longer = task == "pair"  # two texts, and an encoder that was never shown two
    result = run(RunConfig.from_mapping({"task": task, "target": "near", "epochs": 4 if longer else 2,
                                         "source_size": 240, "max_length": 96 if longer else 48,
                                         "data_options": {"train": 400, "dev": 40, "test": 100},
                                         "output": str(tmp_path / "run")}))  # fmt: skip
    assert result.test.f1 > result.majority.f1 + 0.2


def test_same_seed_same_metrics_another_seed_differs(tmp_path: Path, finished_runs: dict[str, RunResult]) -> None:
    again, other = short_run(tmp_path / "again"), short_run(tmp_path / "other", seed=12)
    assert stable(again) == stable(finished_runs["ner"])
    assert stable(other) != stable(again)


def test_the_saved_configuration_repeats_the_run(tmp_path: Path, finished_runs: dict[str, RunResult]) -> None:
    saved = RunConfig.from_yaml(finished_runs["ner"].run_dir / "config.yaml").to_dict()
    assert saved["source"] == ["base"]
    assert saved["lr"] == 1e-3
    repeated = run(RunConfig.from_mapping({**saved, "output": str(tmp_path / "repeated")}))
    assert stable(repeated) == stable(finished_runs["ner"])


def test_func_and_higher_end_with_the_same_score(tmp_path: Path, finished_runs: dict[str, RunResult]) -> None:
    higher = short_run(tmp_path / "higher", backend="higher", layer=[2])
    assert higher.test == finished_runs["ner"].test


VARIANTS: list[dict[str, object]] = [
    {"precision": "bf16"},
    {"method_options": {"order": "released", "theta_batch": "support", "free_of_lr": False}},
    {"layer": [0, 4]},
    {"source": ["base", "near"]},
    {"optimizer": "adam", "weight_decay": 5e-4},
    {"rtn": "identity"},
    {"source_size": None, "data_options": {"train": 40, "dev": 10, "test": 10}},
]


@pytest.mark.parametrize("changes", first_quick(VARIANTS, 2), ids=lambda changes: "-".join(changes))
def test_variants_run(changes: dict[str, object], tmp_path: Path) -> None:
    assert short_run(tmp_path / "run", **changes).metrics["steps"] > 0


every_task = pytest.mark.parametrize("task", first_quick(["ner", "sentiment", "pos", "classification", "pair"], 3))


@pytest.fixture(scope="module")
def run_of(finished_runs: dict[str, RunResult], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunResult]:
    """A finished run of any task."""
    found = dict(finished_runs)

    def run_of(task: str) -> RunResult:
        if task not in found:
            found[task] = short_run(tmp_path_factory.mktemp(task) / "run", task=task)
        return found[task]

    return run_of


@every_task
def test_model_loads_with_plain_transformers_and_agrees(task: str, run_of: Callable[[str], RunResult]) -> None:
    folder = run_of(task).run_dir / "model"
    trained = TrainedModel.load(folder)
    plain = getattr(transformers, trained.task.auto_class).from_pretrained(folder).eval()
    examples = Synthetic(test=50).load(trained.task, "far", "test")
    encoded = trained.task.encode(examples, trained.labels, trained.tokenizer, trained.max_length)
    batch = Collator(trained.padding)(encoded)
    with torch.no_grad():
        torch.testing.assert_close(plain(**batch.inputs).logits, trained.learner(batch.inputs), rtol=0, atol=1e-6)
    with safetensors.safe_open(folder / "model.safetensors", "pt") as weights:
        assert not any("rtn" in name or "down" in name for name in weights.keys())  # noqa: SIM118
        assert set(weights.keys()) <= set(plain.state_dict())
    with safetensors.safe_open(folder.parent / "rtn" / "rtn.safetensors", "pt") as weights:
        assert "down.weight" in weights.keys()  # noqa: SIM118


@every_task
def test_predictions_on_disk_are_those_of_the_saved_model(task: str, run_of: Callable[[str], RunResult]) -> None:
    run_dir = run_of(task).run_dir
    config = RunConfig.from_yaml(run_dir / "config.yaml")
    model = TrainedModel.load(run_dir)
    examples = Synthetic(**config.data_options).load(model.task, "far", "test")
    predicted = model.predict(examples)
    flat = [tag for one in predicted for tag in one] if model.task.kind == "tagging" else predicted
    lines = (run_dir / "predictions.test.tsv").read_text().splitlines()
    assert [line.split("\t")[2] for line in lines if line] == flat
    assert evaluate(run_dir, "test", None, "cpu")[0] == run_of(task).test


def test_test_set_is_scored_once_and_best_epoch_is_kept(tmp_path: Path) -> None:
    result = short_run(tmp_path / "run", epochs=3)
    lines = [json.loads(line) for line in (result.run_dir / "log.jsonl").read_text().splitlines()]
    scores = [line["dev"]["f1"] for line in lines if "dev" in line]
    assert result.metrics["best_epoch"] == scores.index(max(scores)) + 1
    assert not any("test" in line for line in lines)
    assert evaluate(result.run_dir, "dev", None, "cpu")[0] == result.dev
