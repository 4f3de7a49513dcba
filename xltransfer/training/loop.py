"""The training loop: train epochs over the source data, score each on dev, and restore the best one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xltransfer.backends.base import SEEDS_PER_PROBLEM
from xltransfer.data.batching import Batch, Collator
from xltransfer.data.mixing import SourceOrder
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.errors import ConfigError
from xltransfer.tasks.base import Scores
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.diagnosis import gradient_cosine
from xltransfer.training.evaluation import predict
from xltransfer.training.preparation import EncodedSet, PreparedRun
from xltransfer.training.progress import Reporter
from xltransfer.training.safety.failed_step import StepInputs
from xltransfer.training.safety.guards import StepGuard
from xltransfer.training.state import SEED_STRIDE, TrainingState

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of training. Learner and RTN hold the parameters of the best epoch."""

    best_epoch: int
    dev: Scores
    dev_predictions: list[Any]
    steps: int
    seconds: float
    skipped: int
    mixture: dict[str, float] | None = None
    """The share of batches drawn from each source language, if a bandit draws whole batches."""


def train(
    run: PreparedRun, state: TrainingState, log: Log, reporter: Reporter, guard: StepGuard, saver: CheckpointSaver,
    stop: StopSignal,
) -> TrainingResult:  # fmt: skip
    """Train from `state` to the last epoch and restore the epoch with the best dev score (the earliest of equals).

    Raises StopRequested after a signal, once a checkpoint is saved, and FailedStepError as `StepGuard.step` does.
    """
    config, collate = run.config, Collator(run.encoder.padding, run.config.pad_to)
    order = run.method.target_rows(len(run.target.encoded), config.batch_size, config.seed + 1, state.total_steps)
    target_rows = islice(order, state.step, None)
    reporter.start(state.total_steps, config.epochs)
    try:
        while state.epochs_scored < config.epochs:
            for _ in _train_epoch(run, state, target_rows, collate, log, reporter, guard):
                saver.after_step()
                stop.check()
            _score_epoch(run, state, collate, log, reporter, stop)
            saver.after_epoch()
            stop.check()
    except StopRequested:
        saver.save()
        raise
    best = state.restore_best()
    if best.epoch == config.epochs > 1:
        reporter.note(f"the last of {config.epochs} epochs was the best: more may be better (--epochs)")
    shares = {config.sources[language]: count / state.step for language, count in state.order.drawn.items()} or None
    skipped = state.guard_state.skipped
    return TrainingResult(best.epoch, best.dev, best.predictions, state.step, state.seconds, skipped, shares)


def _train_epoch(
    run: PreparedRun, state: TrainingState, target_rows: Iterator[list[int]], collate: Collator, log: Log,
    reporter: Reporter, guard: StepGuard,
) -> Iterator[int]:  # fmt: skip
    """Take the remaining steps of the epoch and yield after each, so that the caller can save or stop."""
    config, trainee, epoch = run.config, state.trainee, state.epochs_scored + 1
    run.learner.train()
    run.rtn.train()
    while state.step < epoch * state.steps_per_epoch:
        source_rows = state.order.rows(state.step)
        rates = {"lr": trainee.theta.lr, "meta_lr": trainee.phi.lr}
        seed = (config.seed * SEED_STRIDE + state.step) * SEEDS_PER_PROBLEM
        inputs = StepInputs(
            state.step + 1, state.total_steps, epoch, tuple(source_rows), tuple(next(target_rows)), seed, **rates
        )
        batches = step_batches(inputs, run, collate, state.vocabulary)
        measures_cosine = config.diagnose > 0 and state.step % config.diagnose == 0
        cosine = gradient_cosine(run.method, trainee, *batches, seed) if measures_cosine else None
        learns_rtn = run.method.learns_rtn(trainee)  # depends on progress, so before the step
        started = time.monotonic()
        losses = guard.step(trainee, inputs, *batches)
        seconds = time.monotonic() - started
        ratio = trainee.phi.ratio
        figures: dict[str, Any] = {} if ratio is None else {"update_ratio": ratio}
        if cosine is not None:
            figures["gradient_cosine"] = round(cosine, 6)
        figures |= {"seconds": round(seconds, 4), **_language_figures(run, source_rows, state.order)}
        if learns_rtn:
            _reward_bandit(state.order, losses, run)
        if state.average:
            state.average.update(trainee.theta.decay)
        state.step += 1
        log({"step": state.step, "epoch": epoch, **losses, **rates, **figures})
        reporter.step(state.step, losses)
        yield state.step


def _reward_bandit(order: SourceOrder, figures: Mapping[str, float], run: PreparedRun) -> None:
    """Reward the language of the last batch, unless the step was skipped. Raises ConfigError without a reward."""
    if "usefulness" in figures:
        order.reward(figures["usefulness"])
    elif order.uses_rewards and "skipped" not in figures:
        raise ConfigError([
            "mixing: 'bandit' rewards a source language by the query loss's gradient after the inner step, which "
            f"backend {run.config.backend} does not return (MetaStep.query_grads); choose one that does, such as "
            "func, or another --mixing."
        ])  # fmt: skip


def _language_figures(run: PreparedRun, rows: Sequence[int], order: SourceOrder) -> dict[str, Any]:
    """The source language of a batch, if it has only one of several, and the probabilities of all languages."""
    names, languages = run.config.sources, {run.source.encoded[row].language for row in rows}
    figures: dict[str, Any] = {"source": names[languages.pop()]} if len(languages) == 1 < len(names) else {}
    if order.mixture:
        figures["mixture"] = {names[language]: round(share, 6) for language, share in order.mixture.items()}
    return figures


def _score_epoch(
    run: PreparedRun, state: TrainingState, collate: Collator, log: Log, reporter: Reporter, stop: StopSignal
) -> None:
    """Score the epoch on dev, and record its parameters if it is the best so far."""
    metric = run.task.metric
    with state.scored() as decay:
        with state.vocabulary.whole(decay) if state.vocabulary else nullcontext():
            predictions = predict_set(run, run.dev, collate, stop)
        dev = run.task.score(run.task.gold(run.dev.examples), predictions)
        state.epochs_scored += 1
        better = state.best is None or getattr(dev, metric) > getattr(state.best.dev, metric)
        if better:
            state.record_best(dev, predictions, decay)
    log({"step": state.step, "epoch": state.epochs_scored, "dev": dev.to_dict()})
    reporter.epoch(state.epochs_scored, metric, getattr(dev, metric), better)


def predict_set(run: PreparedRun, part: EncodedSet, collate: Collator, stop: StopSignal) -> list[Any]:
    """Predict every sentence of a set with the learner's current parameters."""
    return predict(
        run.learner, run.task, part.encoded, run.labels, collate, run.autocast, stop.check_if_alone, run.processes
    )


def step_batches(
    inputs: StepInputs, run: PreparedRun, collate: Collator, vocabulary: CompactVocabulary | None
) -> tuple[Batch, Batch]:
    """Collate the source and the target batch of a step."""
    return (
        make_batch(run.source, list(inputs.source), collate, run, vocabulary),
        make_batch(run.target, list(inputs.target), collate, run, vocabulary),
    )


def make_batch(
    part: EncodedSet, rows: list[int], collate: Collator, run: PreparedRun, vocabulary: CompactVocabulary | None
) -> Batch:
    """Collate rows of a set into a batch on the run's device; ids are to_reduced_ids for a compact vocabulary."""
    batch = collate([part.encoded[row] for row in rows]).to(run.device)
    if vocabulary is not None:
        batch.inputs["input_ids"] = vocabulary.to_reduced_ids(batch.inputs["input_ids"])
    return batch
