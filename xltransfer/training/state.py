"""Everything of a run that changes while it trains, in one place."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xltransfer.data.mixing import steps_of
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.methods.base import Trainee
from xltransfer.methods.updater import Updater
from xltransfer.tasks.base import Scores
from xltransfer.training.preparation import Prepared

State = dict[str, Tensor]


@dataclass(frozen=True)
class Best:
    """The epoch that dev chose so far, with θ and φ as they were then."""

    epoch: int
    dev: Scores
    predictions: list[Any]
    learner: State
    """θ; of the word embedding the rows in use alone, where the vocabulary is compact."""
    rtn: State
    decay: float
    """What weight decay had made of the other rows (see `CompactVocabulary.whole`)."""


class TrainingState:
    """A run between two steps. The order of the data is no part of it: that follows from seed, epoch and step."""

    def __init__(self, run: Prepared) -> None:
        self.vocabulary = compact_vocabulary(run)
        languages = [sentence.language for sentence in run.source.encoded]
        self.steps_an_epoch = steps_of(languages, run.config.batch_size, run.config.mixing)
        self.total_steps = self.steps_an_epoch * run.config.epochs
        self.trainee = trainee_of(run, self.total_steps)
        self.step = 0
        """Steps done."""
        self.scored = 0
        """Epochs trained and scored on dev."""
        self.best: Best | None = None
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on training and dev scores."""
        return self._seconds_before + time.monotonic() - self._started

    def keep_as_best(self, dev: Scores, predictions: list[Any]) -> None:
        """Take θ and φ as those of the epoch that has just been scored."""
        trainee = self.trainee
        self.best = Best(self.scored, dev, predictions, _copy(trainee.learner), _copy(trainee.rtn), trainee.theta.decay)

    def go_back_to_best(self) -> Best:
        """Give learner and RTN the best epoch's values, and the learner its whole vocabulary."""
        assert self.best is not None
        self.trainee.learner.load_state_dict(self.best.learner)
        self.trainee.rtn.load_state_dict(self.best.rtn)
        if self.vocabulary:
            self.vocabulary.settle(self.best.decay)
        return self.best


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


def _copy(module: Any) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
