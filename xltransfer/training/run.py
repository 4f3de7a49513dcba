"""One run from configuration to scores on disk: what `xlt run` calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.errors import (
    CheckpointError,
    ConfigError,
    FailedStepError,
    Interrupted,
    MachineError,
    UserError,
    told_in_one_line,
)
from xltransfer.rtns.size import described, parameter_counts
from xltransfer.tasks.base import Scores
from xltransfer.training.backend_selection import select_backend
from xltransfer.training.checkpointing.checkpoint import Checkpoint
from xltransfer.training.checkpointing.resume import find_resume_point, read_run_config, resume_command
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.device import deterministic, peak_memory, reset_peak_memory
from xltransfer.training.distributed import connect_processes
from xltransfer.training.loop import TrainingResult, predict_set, train
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import RunFolder, SilentRunFolder, choose_folder
from xltransfer.training.safety.guards import StepGuard
from xltransfer.training.state import TrainingState
from xltransfer.training.tracking import Trackers, require
from xltransfer.training.trained_model import read_metrics
from xltransfer.utils.processes import Processes

VARYING_METRICS = ("seconds", "peak_memory_bytes")
"""The fields of metrics.json that two runs of one configuration, or an interrupted and a whole one, differ in."""


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

    Raises UserError if the input is at fault and MachineError if the machine is; then no folder is left, unless there
    is a checkpoint in it. Raises FailedStepError, the folder kept, for a step whose numbers are not finite, and
    Interrupted, a KeyboardInterrupt, when SIGTERM or Ctrl-C stops it; `resume` goes on then.
    """
    stop = StopSignal()
    with _session(config, stop, reporter) as (processes, reporter):
        if config.output is not None:  # refuse before reading anything
            processes.from_first(lambda: choose_folder(config))
        prepared = select_backend(_prepared(config, reporter, processes), reporter)
        reporter.note(_description(prepared))
        folder = _folder(processes, lambda: RunFolder.create(choose_folder(prepared.config), prepared.config))
        with _writing_to(folder, prepared.config):
            return _train_and_finish(prepared, folder, None, reporter, stop)


def resume(run_dir: str | Path, config: RunConfig | None = None, reporter: Reporter | None = None) -> RunResult:
    """Continue an interrupted run in its folder; it ends as if it had not been interrupted. A finished one stays so.

    `config` may say what the run is thought to be, and how often it is saved from now on. Raises UserError if the run
    is another one, or its checkpoints are damaged, or of another version or other data; and Interrupted as `run` does.
    Plugins of the run are loaded only if `config` names them: `RunConfig.from_yaml(file, {"plugin": (...)})`.
    """
    stop, path = StopSignal(), Path(run_dir)
    config = read_run_config(path, config)
    with _session(config, stop, reporter) as (processes, reporter):
        folder = _folder(processes, lambda: RunFolder(path, new=False))
        with _writing_to(folder, config):
            if folder.finished:
                folder.tidy()
                reporter.note(f"{path} is finished")
                return load_result(path)
            start = processes.together(lambda: find_resume_point(path, config, reporter))
            prepared = _prepared(start.config, reporter, processes)
            reporter.note(_description(prepared))
            return _train_and_finish(prepared, folder, start.checkpoint, reporter, stop)


@contextmanager
def _session(config: RunConfig, stop: StopSignal, reporter: Reporter | None) -> Iterator[tuple[Processes, Reporter]]:
    """Within: signals are caught, faults of the machine told in one line, torch as deterministic as wished.

    Gives the run's processes, and a reporter that is silent in all but the first.
    """
    reset_peak_memory()
    processes = stop.processes = connect_processes(config)
    reporter = reporter if reporter and processes.number == 0 else Reporter()
    try:
        with stop.catch_signals(), told_in_one_line(config.batch_size), deterministic(config.deterministic):
            yield processes, reporter
    finally:
        reporter.stop()


def _prepared(config: RunConfig, reporter: Reporter, processes: Processes) -> PreparedRun:
    require(config.track)
    prepared = processes.together(lambda: prepare(config, reporter))
    return dataclasses.replace(prepared, processes=processes)


def _folder(processes: Processes, opened: Callable[[], RunFolder]) -> RunFolder:
    """What `opened` returns, in the process that writes."""
    found: list[RunFolder] = []

    def path() -> str:
        found.append(opened())
        return str(found[0].path)

    where = processes.from_first(path)
    return found[0] if found else SilentRunFolder(Path(where))


@contextmanager
def _writing_to(folder: RunFolder, config: RunConfig) -> Iterator[None]:
    """Close the folder in the end; say how to continue; remove it if it was made for a run that saved nothing."""
    try:
        with told_in_one_line(config.batch_size):
            yield
    except (FailedStepError, CheckpointError):  # it would end the same again
        raise
    except (UserError, MachineError) as error:
        if folder.has_checkpoints():
            error.args = (f"{error} This continues from the last checkpoint: {resume_command(folder.path, config)}",)
        elif folder.new:
            folder.discard()
        raise
    except (StopRequested, KeyboardInterrupt) as error:
        lost = "" if folder.has_checkpoints() else " (from the first step: nothing is saved yet)"
        raise Interrupted(f"stopped; this continues it{lost}: {resume_command(folder.path, config)}") from error
    finally:
        folder.close()


def _train_and_finish(
    run: PreparedRun, folder: RunFolder, found: Checkpoint | None, reporter: Reporter, stop: StopSignal
) -> RunResult:
    state = TrainingState(run)
    keeper = CheckpointSaver(run, state, folder)
    if found is not None:
        keeper.load(found, reporter)
        reporter.note(f"continuing after step {state.step} of {state.total_steps}")
    if not folder.open_log(found.metadata["log_bytes"] if found else 0):
        reporter.warn("log.jsonl is shorter than it was at the checkpoint: some of its lines are lost.")
    folder.save_samples(run)
    with stop.defer_signals(), _log(run, folder, reporter) as log:
        guards = StepGuard(run, state.guard_state, folder.path, log, reporter)
        trained = train(run, state, log, reporter, guards, keeper, stop)
        reporter.stage("scoring the test set")
        return _finish(run, trained, folder, stop)


@contextmanager
def _log(run: PreparedRun, folder: RunFolder, reporter: Reporter) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Within: a function that logs a line in the run folder, and with the trackers."""
    names = run.config.track if run.processes.number == 0 else ()
    tracking = Trackers(names, folder.path, run.config.to_dict(), reporter)

    def log(values: dict[str, Any]) -> None:
        folder.log(values)
        tracking.log(values)

    try:
        yield log
    finally:
        tracking.finish()


def _finish(run: PreparedRun, trained: TrainingResult, folder: RunFolder, stop: StopSignal) -> RunResult:
    """Score test and write what a finished run has. May be cut off anywhere, and be done again."""
    task, collate = run.task, Collator(run.encoder.padding, run.config.pad_to)
    predictions = predict_set(run, run.test, collate, stop)
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
            "skipped_steps": trained.skipped,
            "method": run.config.method,
            "backend": run.config.backend if run.method.uses_backend else None,
            "rtn": run.config.rtn if run.method.uses_rtn else None,
            "rtn_parameters": parameter_counts(run.rtn)[0] if run.method.uses_rtn else 0,
            "rtn_parameters_trained": parameter_counts(run.rtn)[1] if run.method.uses_rtn else 0,
            "source": list(run.config.source),
            "target": run.config.target,
            "mixture": trained.mixture,
            "majority": majority.to_dict(),
        },
    }
    folder.save_predictions("dev", run.dev.examples, trained.dev_predictions)
    folder.save_predictions("test", run.test.examples, predictions)
    folder.save_models(run)
    folder.finish(metrics)
    return RunResult(trained.dev, test, majority, folder.path, metrics)


def load_result(run_dir: Path) -> RunResult:
    """The result of a finished run, from its metrics.json. Raises ConfigError."""
    metrics = read_metrics(run_dir)
    try:
        found = (metrics["dev"], metrics["test"], metrics["meta"]["majority"])
        dev, test, majority = (Scores(**scores) for scores in found)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            [f"run: metrics.json of {str(run_dir)!r} is not as it was written; it lacks {error}."]
        ) from error
    return RunResult(dev, test, majority, run_dir, metrics)


def _description(run: PreparedRun) -> str:
    config = run.config
    parts = [f"{config.method} on {run.device}"]
    if run.method.uses_rtn:
        layers = ", ".join(map(str, config.layer))
        parts.append(f"RTN {config.rtn} ({described(run.rtn)}) at layer {layers}")
    if run.method.uses_backend:
        parts.append(f"backend {config.backend}")
    sizes = f"{len(run.source.examples)} source and {len(run.target.examples)} target sentences"
    return f"{', '.join(parts)}; encoder of {described(run.learner)}; {sizes}"
