"""The training loop: epochs over the source, a dev score after each, the best epoch kept."""

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
    """The outcome of training; learner and RTN hold the best epoch's values."""

    best_epoch: int
    dev: Scores
    dev_predictions: list[Any]
    steps: int
    seconds: float
    skipped: int
    mixture: dict[str, float] | None = None
    """The share of the batches that was drawn of each source language, where whole batches are drawn."""


def train(
    run: PreparedRun,
    state: TrainingState,
    log: Log,
    reporter: Reporter,
    guards: StepGuard,
    keeper: CheckpointSaver,
    stop: StopSignal,
) -> TrainingResult:
    """Train on from `state` to the end and go back to the epoch that dev chose (the earliest of equals).

    Raises StopRequested, the state saved, soon after a signal; FailedStepError as `StepGuard.step` does.
    """
    config, collate = run.config, Collator(run.encoder.padding, run.config.pad_to)
    order = run.method.target_rows(len(run.target.encoded), config.batch_size, config.seed + 1, state.total_steps)
    targets = islice(order, state.step, None)
    reporter.start(state.total_steps, config.epochs)
    try:
        while state.epochs_scored < config.epochs:
            for _ in _steps_of_epoch(run, state, targets, collate, log, reporter, guards):
                keeper.after_step()
                stop.check()
            _score_epoch(run, state, collate, log, reporter, stop)
            keeper.after_epoch()
            stop.check()
    except StopRequested:
        keeper.save()
        raise
    best = state.restore_best()
    shares = {config.source[language]: count / state.step for language, count in state.order.drawn.items()} or None
    return TrainingResult(
        best.epoch, best.dev, best.predictions, state.step, state.seconds, state.guard_state.skipped, shares
    )


def _steps_of_epoch(
    run: PreparedRun, state: TrainingState, targets: Iterator[list[int]], collate: Collator, log: Log,
    reporter: Reporter,
    guards: StepGuard,
) -> Iterator[int]:  # fmt: skip
    """Take the steps of the epoch that are still to do; yields after each."""
    config, trainee, epoch = run.config, state.trainee, state.epochs_scored + 1
    run.learner.train()
    run.rtn.train()
    while state.step < epoch * state.steps_per_epoch:
        rows = state.order.rows(state.step)
        rates = {"lr": trainee.theta.lr, "meta_lr": trainee.phi.lr}
        seed = (config.seed * SEED_STRIDE + state.step) * SEEDS_PER_PROBLEM
        draw = StepInputs(state.step + 1, state.total_steps, epoch, tuple(rows), tuple(next(targets)), seed, **rates)
        batches = step_batches(draw, run, collate, state.vocabulary)
        looked_at = config.diagnose > 0 and state.step % config.diagnose == 0
        cosine = gradient_cosine(run.method, trainee, *batches, seed) if looked_at else None
        rewards = run.method.learns_rtn(trainee)
        started = time.monotonic()
        losses = guards.step(trainee, draw, *batches)
        seconds = time.monotonic() - started
        if rewards:
            _tell(state.order, losses, run)
        state.step += 1
        seen = {**_seen(trainee.phi.ratio, cosine, seconds), **_languages(run, rows, state.order)}
        log({"step": state.step, "epoch": epoch, **losses, **rates, **seen})
        reporter.step(state.step, losses)
        yield state.step


def _seen(ratio: float | None, cosine: float | None, seconds: float) -> dict[str, float]:
    """What is logged beside losses: the RTN's movement, whether the source helps, and the time of the step."""
    moved = {} if ratio is None else {"update_ratio": ratio}
    return {**moved, **({} if cosine is None else {"gradient_cosine": round(cosine, 6)}), "seconds": round(seconds, 4)}


def _tell(order: SourceOrder, figures: Mapping[str, float], run: PreparedRun) -> None:
    """Tell the order what its batch was worth, unless the step was passed over. Raises ConfigError if nobody knows."""
    if "usefulness" in figures:
        order.reward(figures["usefulness"])
    elif order.uses_rewards and "skipped" not in figures:
        raise ConfigError([
            "mixing: 'bandit' rewards a source language by the query loss's gradient after the inner step, which "
            f"backend {run.config.backend} does not return (MetaStep.query_grads); take one that does, such as func, "
            "or another --mixing."
        ])  # fmt: skip


def _languages(run: PreparedRun, rows: Sequence[int], order: SourceOrder) -> dict[str, Any]:
    """What is logged of source languages: that of the batch, if it is of one, and the probabilities of all."""
    names, found = run.config.source, {run.source.encoded[row].language for row in rows}
    told: dict[str, Any] = {"source": names[found.pop()]} if len(found) == 1 < len(names) else {}
    if order.mixture:
        told["mixture"] = {names[language]: round(share, 6) for language, share in order.mixture.items()}
    return told


def _score_epoch(
    run: PreparedRun, state: TrainingState, collate: Collator, log: Log, reporter: Reporter, stop: StopSignal
) -> None:
    metric = run.task.metric
    with state.vocabulary.whole(state.trainee.theta.decay) if state.vocabulary else nullcontext():
        predictions = predict_set(run, run.dev, collate, stop)
    dev = run.task.score(run.task.gold(run.dev.examples), predictions)
    state.epochs_scored += 1
    better = state.best is None or getattr(dev, metric) > getattr(state.best.dev, metric)
    if better:
        state.record_best(dev, predictions)
    log({"step": state.step, "epoch": state.epochs_scored, "dev": dev.to_dict()})
    reporter.epoch(state.epochs_scored, metric, getattr(dev, metric), better)


def predict_set(run: PreparedRun, part: EncodedSet, collate: Collator, stop: StopSignal) -> list[Any]:
    """A prediction for each sentence of a set by the learner as it is."""
    return predict(
        run.learner, run.task, part.encoded, run.labels, collate, run.autocast, stop.check_if_alone, run.processes
    )


def step_batches(
    draw: StepInputs, run: PreparedRun, collate: Collator, vocabulary: CompactVocabulary | None
) -> tuple[Batch, Batch]:
    """The source and the target batch of a step."""
    return (
        make_batch(run.source, list(draw.source), collate, run, vocabulary),
        make_batch(run.target, list(draw.target), collate, run, vocabulary),
    )


def make_batch(
    part: EncodedSet, rows: list[int], collate: Collator, run: PreparedRun, vocabulary: CompactVocabulary | None
) -> Batch:
    """Some rows of a set as a batch on the run's device."""
    batch = collate([part.encoded[row] for row in rows]).to(run.device)
    if vocabulary is not None:
        batch.inputs["input_ids"] = vocabulary.renumbered(batch.inputs["input_ids"])
    return batch
