"""The training loop: epochs over the source, a dev score after each, the best epoch kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xltransfer.backends.base import SEEDS_PER_PROBLEM, trainable
from xltransfer.data.batching import Batch, Collator, endless_order
from xltransfer.data.mixing import bucketed, source_order, steps_of
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.methods.base import Trainee
from xltransfer.methods.updater import Updater
from xltransfer.tasks.base import Scores
from xltransfer.training.evaluation import predict
from xltransfer.training.preparation import EncodedSet, Prepared
from xltransfer.training.progress import Reporter

Log = Callable[[dict[str, Any]], None]
State = dict[str, Tensor]


@dataclass(frozen=True)
class Trained:
    """The outcome of training; learner and RTN hold the best epoch's values."""

    best_epoch: int
    dev: Scores
    dev_predictions: list[Any]
    steps: int
    seconds: float


def train(run: Prepared, log: Log, reporter: Reporter) -> Trained:
    """Train to the end and go back to the epoch that dev chose (the earliest of equals)."""
    config, collate = run.config, Collator(run.encoder.padding, run.config.pad_to)
    vocabulary = compact_vocabulary(run)
    languages = [sentence.language for sentence in run.source.encoded]
    steps_an_epoch = steps_of(languages, config.batch_size, config.mixing)
    trainee = trainee_of(run, steps_an_epoch * config.epochs)
    targets = endless_order(len(run.target.encoded), config.batch_size, config.seed + 1)
    best: tuple[int, Scores, list[Any], State, State] | None = None
    started, step = time.monotonic(), 0
    reporter.start(steps_an_epoch * config.epochs, config.epochs)
    for epoch in range(1, config.epochs + 1):
        run.learner.train()
        run.rtn.train()
        for rows in _source_rows(run, languages, config.seed * 1_000_003 + epoch):
            source, target = (
                batch_of(part, chosen, collate, run, vocabulary)
                for part, chosen in ((run.source, rows), (run.target, next(targets)))
            )
            rates = {"lr": trainee.theta.lr, "meta_lr": trainee.phi.lr}
            seed = (config.seed * 1_000_003 + step) * SEEDS_PER_PROBLEM
            losses = run.method.step(trainee, source, target, seed)
            step += 1
            if step == 1 and losses.get("meta_grad_norm") == 0 and trainable(run.rtn):
                reporter.warn(f"rtn {config.rtn}: its gradient is zero; nothing it returns reaches its parameters.")
            log({"step": step, "epoch": epoch, **losses, **rates})
            reporter.step(step, losses)
        with vocabulary.whole(trainee.theta.decay) if vocabulary else nullcontext():
            predictions = predict(run.learner, run.task, run.dev.encoded, run.labels, collate, run.autocast)
            dev = run.task.score(run.task.gold(run.dev.examples), predictions)
            better = best is None or getattr(dev, run.task.metric) > getattr(best[1], run.task.metric)
            if better:
                best = (epoch, dev, predictions, _copy(run.learner), _copy(run.rtn))
        log({"step": step, "epoch": epoch, "dev": dev.to_dict()})
        reporter.epoch(epoch, run.task.metric, getattr(dev, run.task.metric), better)
    assert best is not None
    if vocabulary:
        vocabulary.restore()
    run.learner.load_state_dict(best[3])
    run.rtn.load_state_dict(best[4])
    return Trained(best[0], best[1], best[2], step, time.monotonic() - started)


def _source_rows(run: Prepared, languages: list[int], seed: int) -> Iterator[list[int]]:
    """The source sentences of an epoch's batches."""
    config = run.config
    order = source_order(languages, config.batch_size, seed, config.mixing, config.temperature)
    if not config.bucket:
        return order
    return bucketed(order, [len(sentence.features["input_ids"]) for sentence in run.source.encoded], seed)


def trainee_of(run: Prepared, steps: int) -> Trainee:
    """What a method's step works on; the learning-rate schedules are over `steps`."""
    config = run.config
    assert config.lr is not None
    shared: dict[str, Any] = {
        "optimizer": config.optimizer,
        "weight_decay": config.weight_decay,
        "warmup": config.warmup,
        "clip": config.clip,
        "total_steps": steps,
    }
    theta = Updater(run.learner, lr=config.lr, **shared)
    phi = Updater(run.rtn, lr=config.meta_lr, **shared)
    return Trainee(run.learner, run.rtn, theta, phi, run.task, run.backend, run.autocast)


def compact_vocabulary(run: Prepared) -> CompactVocabulary | None:
    """The learner's embedding cut down to the subwords of the training data, where that is exact and pays."""
    config = run.config
    if config.vocabulary == "full" or (config.optimizer == "adam" and config.weight_decay):  # L2 moves unused rows
        return None
    used = {run.encoder.tokenizer.pad_token_id}
    for part in (run.source, run.target):
        used.update(token for sentence in part.encoded for token in sentence.features["input_ids"])
    return CompactVocabulary.where_it_pays(run.learner, used)


def batch_of(
    part: EncodedSet, rows: list[int], collate: Collator, run: Prepared, vocabulary: CompactVocabulary | None
) -> Batch:
    """Some rows of a set as a batch on the run's device."""
    batch = collate([part.encoded[row] for row in rows]).to(run.device)
    if vocabulary is not None:
        batch.inputs["input_ids"] = vocabulary.renumbered(batch.inputs["input_ids"])
    return batch


def _copy(module: Any) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
