"""Run and resume an experiment, from its configuration to scores on disk."""

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
    readable_errors,
)
from xltransfer.registry.trusted_code import named_code
from xltransfer.rtns.size import describe_size, parameter_counts
from xltransfer.tasks.base import Scores
from xltransfer.training.backend_selection import select_backend
from xltransfer.training.checkpointing.checkpoint import Checkpoint
from xltransfer.training.checkpointing.resume import (
    find_checkpoint,
    read_run_config,
    refuse_another_run,
    resume_command,
)
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.data.reading import open_datasets, resolve_languages
from xltransfer.training.data.self_training import check_unlabelled, teacher_metrics
from xltransfer.training.device import deterministic, peak_memory, reset_peak_memory
from xltransfer.training.distributed import connect_processes
from xltransfer.training.loop import Log, TrainingResult, predict_set, train
from xltransfer.training.preparation import PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import METRICS_FILE, RunFolder, SilentRunFolder, choose_folder
from xltransfer.training.safety.guards import StepGuard
from xltransfer.training.state import TrainingState
from xltransfer.training.tracking import Trackers, check_trackers
from xltransfer.training.trained_model import read_metrics
from xltransfer.utils.processes import Processes, launched_count

VARYING_METRICS = ("seconds", "peak_memory_bytes")
"""The fields of metrics.json that are not reproducible: they differ between two runs of the same configuration."""


@dataclass(frozen=True)
class RunResult:
    """Scores of the epoch with the best dev score, and the run folder. `metrics` is the content of metrics.json."""

    dev: Scores
    test: Scores
    majority: Scores
    run_dir: Path
    metrics: dict[str, Any]


def run(config: RunConfig, reporter: Reporter | None = None) -> RunResult:
    """Train, select the epoch with the best dev score, score the test set once, and write the run folder.

    Raises UserError for invalid input and MachineError for a fault of the machine. Both remove the run folder, unless
    it contains a checkpoint. Raises FailedStepError for a loss or gradient that is not finite; the folder is kept.
    Raises Interrupted, a KeyboardInterrupt, after SIGTERM or Ctrl-C; `resume` then continues the run.

    With `config.rounds` a teacher is run first, in OUTPUT-teacher; one that is there is loaded or resumed.
    """
    if config.rounds:
        config = _with_teacher(config, reporter)
    stop = StopSignal()
    with _session(config, stop, reporter) as (processes, reporter):
        if config.output is not None:  # an existing folder is refused before anything is read
            processes.from_first(lambda: choose_folder(config))
        prepared = select_backend(_prepare(config, reporter, processes), reporter)
        reporter.note(_summary(prepared))
        folder = _open_folder(processes, lambda: RunFolder.create(choose_folder(prepared.config), prepared.config))
        with _closing(folder, prepared.config):
            return _train_and_score(prepared, folder, None, reporter, stop)


def resume(run_dir: str | Path, config: RunConfig | None = None, reporter: Reporter | None = None) -> RunResult:
    """Continue an interrupted run from its newest checkpoint, with the results of an uninterrupted run.

    Of a finished run, return the results. `config` states the expected configuration; it may change the fields in
    `CHANGEABLE_FIELDS`, such as how often checkpoints are written. Plugins are loaded only if `config` names them:
    `RunConfig.from_yaml(file, {"plugin": (...)})`. Raises UserError if the configuration differs, or the checkpoints
    are damaged or belong to another version or other data; and Interrupted as `run` does.
    """
    stop, path = StopSignal(), Path(run_dir)
    config = read_run_config(path, config)
    with _session(config, stop, reporter) as (processes, reporter):
        folder = _open_folder(processes, lambda: RunFolder(path, new=False))
        with _closing(folder, config):
            if folder.finished:
                folder.delete_temporary()
                reporter.note(f"{path} is finished")
                return load_result(path)
            checkpoint = processes.together(lambda: find_checkpoint(path, config, reporter))
            prepared = _prepare(config, reporter, processes)
            reporter.note(_summary(prepared))
            return _train_and_score(prepared, folder, checkpoint, reporter, stop)


def load_or_run(config: RunConfig, reporter: Reporter | None = None) -> RunResult:
    """Load the run in `config.output` if it is finished, resume it if interrupted, else start it.

    Raises as `run` and `resume`.
    """
    path = Path(str(config.output))
    if (path / METRICS_FILE).is_file():
        return load_result(path)
    if not path.exists():
        return run(config, reporter)
    given = {**named_code(config.to_dict()), "skip_nonfinite": config.skip_nonfinite}
    return resume(path, RunConfig.from_yaml(path / "config.yaml", given), reporter)


def _with_teacher(config: RunConfig, reporter: Reporter | None) -> RunConfig:
    """Run the teacher, unless it has been; return the configuration with the run's folder. Raises UserError."""
    if (count := launched_count()) > 1:
        raise ConfigError([f"rounds: {count} processes were started; train the teacher alone, then give --teacher."])
    config = config.validated()
    sources, dataset = open_datasets(config)
    config = resolve_languages(config, sources, dataset)
    check_unlabelled(config, dataset)
    config = dataclasses.replace(config, output=str(choose_folder(config)))
    assert config.teacher_folder is not None
    folder = Path(config.teacher_folder)
    teacher = dataclasses.replace(config, rounds=config.rounds - 1, output=str(folder))
    refuse_another_run(folder, teacher)
    if reporter:
        reporter.note(f"teacher: {folder}")
    try:
        load_or_run(teacher, reporter)
    except Interrupted as interrupted:
        interrupted.args = (f"{interrupted} It is a teacher: the same command as before goes on with it, and then with "
                            "the student.",)  # fmt: skip
        raise
    return config


@contextmanager
def _session(config: RunConfig, stop: StopSignal, reporter: Reporter | None) -> Iterator[tuple[Processes, Reporter]]:
    """Set up signal handling, readable errors and deterministic algorithms; yield the processes and the reporter.

    In all processes but the first, the reporter prints nothing.
    """
    reset_peak_memory()
    processes = stop.processes = connect_processes(config)
    reporter = reporter if reporter and processes.number == 0 else Reporter()
    try:
        with stop.catch_signals(), readable_errors(config.batch_size), deterministic(config.deterministic):
            yield processes, reporter
    finally:
        reporter.stop()


def _prepare(config: RunConfig, reporter: Reporter, processes: Processes) -> PreparedRun:
    """Prepare the run in all processes; an error in one of them is raised in all."""
    check_trackers(config.track)
    prepared = processes.together(lambda: prepare(config, reporter))
    return dataclasses.replace(prepared, processes=processes)


def _open_folder(processes: Processes, open_or_create: Callable[[], RunFolder]) -> RunFolder:
    """Call `open_or_create` in the first process; the others get a `SilentRunFolder` with the same path."""
    opened: list[RunFolder] = []

    def path() -> str:
        opened.append(open_or_create())
        return str(opened[0].path)

    shared_path = processes.from_first(path)
    return opened[0] if opened else SilentRunFolder(Path(shared_path))


@contextmanager
def _closing(folder: RunFolder, config: RunConfig) -> Iterator[None]:
    """Close the folder at the end. On an error, add the resume command, or delete a new folder without checkpoints."""
    try:
        with readable_errors(config.batch_size):  # here too, so that the handlers below see UserError or MachineError
            yield
    except (FailedStepError, CheckpointError):  # resuming would fail in the same way
        raise
    except (UserError, MachineError) as error:
        if folder.has_checkpoints():
            error.args = (f"{error} This continues from the last checkpoint: {resume_command(folder.path, config)}",)
        elif folder.new:
            folder.delete()
        raise
    except (StopRequested, KeyboardInterrupt) as error:
        lost = "" if folder.has_checkpoints() else " (from the first step: nothing is saved yet)"
        raise Interrupted(f"stopped; this continues it{lost}: {resume_command(folder.path, config)}") from error
    finally:
        folder.close()


def _train_and_score(
    run: PreparedRun, folder: RunFolder, checkpoint: Checkpoint | None, reporter: Reporter, stop: StopSignal
) -> RunResult:
    """Train from the start or from a checkpoint, score the test set and write the results."""
    state = TrainingState(run)
    saver = CheckpointSaver(run, state, folder)
    if checkpoint is not None:
        saver.load(checkpoint, reporter)
        reporter.note(f"continuing after step {state.step} of {state.total_steps}")
    if not folder.open_log(checkpoint.metadata["log_bytes"] if checkpoint else 0):
        reporter.warn("log.jsonl is shorter than it was at the checkpoint: some of its lines are lost.")
    folder.save_samples(run)
    with stop.defer_signals(), _logging(run, folder, reporter) as log:
        guard = StepGuard(run, state.guard_state, folder.path, log, reporter)
        result = train(run, state, log, reporter, guard, saver, stop)
        reporter.stage("scoring the test set")
        return _score_test_set(run, result, folder, stop)


@contextmanager
def _logging(run: PreparedRun, folder: RunFolder, reporter: Reporter) -> Iterator[Log]:
    """Yield a function that writes one line to log.jsonl and sends its numbers to the trackers."""
    names = run.config.track if run.processes.number == 0 else ()
    trackers = Trackers(names, folder.path, run.config.to_dict(), reporter)

    def log(values: dict[str, Any]) -> None:
        folder.log(values)
        trackers.log(values)

    try:
        yield log
    finally:
        trackers.finish()


def _score_test_set(run: PreparedRun, trained: TrainingResult, folder: RunFolder, stop: StopSignal) -> RunResult:
    """Score the test set and write predictions, models and metrics. Can be interrupted anywhere and repeated."""
    task, collate = run.task, Collator(run.encoder.padding, run.config.pad_to)
    predictions = predict_set(run, run.test, collate, stop)
    gold = task.gold(run.test.examples)
    test = task.score(gold, predictions)
    majority = task.score(gold, task.majority(run.target.examples, run.test.examples))
    parameters = parameter_counts(run.rtn) if run.method.uses_rtn else (0, 0)
    teacher = teacher_metrics(run.config)
    metrics = {
        "task": run.config.task,
        "metric": task.metric,
        "best_epoch": trained.best_epoch,
        "dev": trained.dev.to_dict(),
        "test": test.to_dict(),
        "steps": trained.steps,
        "seconds": round(trained.seconds + (teacher.get("seconds", 0) if run.config.rounds else 0), 3),
        "peak_memory_bytes": peak_memory(run.device),
        "meta": {
            "skipped_steps": trained.skipped,
            "method": run.config.method,
            "backend": run.config.backend if run.method.uses_backend else None,
            "rtn": run.config.rtn if run.method.uses_rtn else None,
            "rtn_parameters": parameters[0],
            "rtn_parameters_trained": parameters[1],
            "source": list(run.config.sources),
            "target": run.config.target,
            "mixture": trained.mixture,
            "teacher": {split: teacher.get(split) for split in ("dev", "test")} if teacher else None,
            "majority": majority.to_dict(),
        },
    }
    folder.save_predictions("dev", run.dev.examples, trained.dev_predictions)
    folder.save_predictions("test", run.test.examples, predictions)
    folder.save_models(run)
    folder.finish(metrics)
    return RunResult(trained.dev, test, majority, folder.path, metrics)


def load_result(run_dir: Path) -> RunResult:
    """Read the result of a finished run from its metrics.json. Raises ConfigError."""
    metrics = read_metrics(run_dir)
    try:
        dev, test, majority = (
            Scores(**scores) for scores in (metrics["dev"], metrics["test"], metrics["meta"]["majority"])
        )
    except (KeyError, TypeError) as error:
        raise ConfigError([f"run: metrics.json of {str(run_dir)!r} was changed; it lacks {error}."]) from error
    return RunResult(dev, test, majority, run_dir, metrics)


def _summary(run: PreparedRun) -> str:
    """Describe method, device, RTN, backend, encoder and data sizes in one line."""
    config = run.config
    parts = [f"{config.method} on {run.device}"]
    if run.method.uses_rtn:
        layers = ", ".join(map(str, config.layer))
        parts.append(f"RTN {config.rtn} ({describe_size(run.rtn)}) at layer {layers}")
    if run.method.uses_backend:
        parts.append(f"backend {config.backend}")
    sizes = f"{len(run.source.examples)} source and {len(run.target.examples)} target sentences"
    return f"{', '.join(parts)}; encoder of {describe_size(run.learner)}; {sizes}"
