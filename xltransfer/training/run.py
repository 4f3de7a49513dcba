"""One run from configuration to scores on disk: what `xlt run` calls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.errors import UserError
from xltransfer.rtns.size import described, parameter_counts
from xltransfer.tasks.base import Scores
from xltransfer.training.choice import with_definite_backend
from xltransfer.training.device import peak_memory
from xltransfer.training.evaluation import predict
from xltransfer.training.loop import Trained, train
from xltransfer.training.preparation import Prepared, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import RunFolder, choose_folder, write_json
from xltransfer.training.state import TrainingState


@dataclass(frozen=True)
class RunResult:
    """Scores of the epoch that dev chose, and where the run's files are. `metrics` is what metrics.json holds."""

    dev: Scores
    test: Scores
    majority: Scores
    run_dir: Path
    metrics: dict[str, Any]


def run(config: RunConfig, reporter: Reporter | None = None) -> RunResult:
    """Train, choose the epoch by dev, score test once, and write the run folder.

    Raises UserError if the input is at fault; then no folder is made.
    """
    reporter = reporter or Reporter()
    if config.output is not None:
        choose_folder(config)  # refuse before reading anything
    try:
        prepared = with_definite_backend(prepare(config, reporter), reporter)
        reporter.note(_description(prepared))
        folder = RunFolder(choose_folder(prepared.config), prepared.config)
        try:
            folder.save_samples(prepared)
            trained = train(prepared, TrainingState(prepared), folder.log, reporter)
            reporter.stage("scoring the test set")
            return _finish(prepared, trained, folder)
        except UserError:
            folder.discard()
            raise
        finally:
            folder.close()
    finally:
        reporter.stop()


def _finish(run: Prepared, trained: Trained, folder: RunFolder) -> RunResult:
    task, collate = run.task, Collator(run.encoder.padding, run.config.pad_to)
    predictions = predict(run.learner, task, run.test.encoded, run.labels, collate, run.autocast)
    gold = task.gold(run.test.examples)
    test, majority = (
        task.score(gold, predictions),
        task.score(gold, task.majority(run.target.examples, run.test.examples)),
    )
    metrics = {
        "task": run.config.task,
        "metric": task.metric,
        "best_epoch": trained.best_epoch,
        "dev": trained.dev.to_dict(),
        "test": test.to_dict(),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 3),
        "peak_memory_bytes": peak_memory(run.device),
        "meta": {
            "method": run.config.method,
            "backend": run.config.backend if run.method.uses_backend else None,
            "rtn": run.config.rtn if run.method.uses_rtn else None,
            "rtn_parameters": parameter_counts(run.rtn)[0] if run.method.uses_rtn else 0,
            "rtn_parameters_trained": parameter_counts(run.rtn)[1] if run.method.uses_rtn else 0,
            "source": list(run.config.source),
            "target": run.config.target,
            "majority": majority.to_dict(),
        },
    }
    folder.save_predictions("dev", run.dev.examples, trained.dev_predictions)
    folder.save_predictions("test", run.test.examples, predictions)
    folder.save_models(run)
    write_json(folder.path / "metrics.json", metrics)
    return RunResult(trained.dev, test, majority, folder.path, metrics)


def _description(run: Prepared) -> str:
    config = run.config
    parts = [f"{config.method} on {run.device}"]
    if run.method.uses_rtn:
        layers = ", ".join(map(str, config.layer))
        parts.append(f"RTN {config.rtn} ({described(run.rtn)}) at layer {layers}")
    if run.method.uses_backend:
        parts.append(f"backend {config.backend}")
    sizes = f"{len(run.source.examples)} source and {len(run.target.examples)} target sentences"
    return f"{', '.join(parts)}; encoder of {described(run.learner)}; {sizes}"
