"""Everything of a run that changes while it trains, in one place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from xltransfer.data.bandit import BanditOrder
from xltransfer.data.mixing import EpochOrder, SourceOrder
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.methods.base import Trainee
from xltransfer.methods.updater import Updater
from xltransfer.tasks.base import Scores
from xltransfer.training.checkpointing.random_state import random_state, set_random_state
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.safety.guards import GuardState

State = dict[str, Tensor]
SEED_STRIDE = 1_000_003
"""Between the seeds of two runs whose `--seed` differ by one; more than a run has steps."""


@dataclass(frozen=True)
class BestEpoch:
    """The epoch that dev chose so far, with θ and φ as they were then."""

    epoch: int
    dev: Scores
    predictions: list[Any]
    learner: State
    """θ; of the word embedding the rows in use alone, where the vocabulary is compact."""
    rtn: State
    decay: float
    """What weight decay had made of the other rows (see `CompactVocabulary.whole`)."""


@dataclass(frozen=True)
class StateSnapshot:
    """A state as tensors, in named groups, and plain values; `values` survives JSON."""

    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]


class TrainingState:
    """A run between two steps. The order of the data is part of it where a bandit decides on that; else it follows from
    seed, epoch and step."""

    def __init__(self, run: PreparedRun) -> None:
        self.vocabulary = compact_vocabulary(run)
        self.order = build_source_order(run)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.total_steps = self.steps_per_epoch * run.config.epochs
        self.trainee = build_trainee(run, self.total_steps)
        self.step = 0
        """Steps done."""
        self.epochs_scored = 0
        """Epochs trained and scored on dev."""
        self.best: BestEpoch | None = None
        self.guard_state = GuardState()
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on training and dev scores."""
        return self._seconds_before + time.monotonic() - self._started

    def record_best(self, dev: Scores, predictions: list[Any]) -> None:
        """Take θ and φ as those of the epoch that has just been scored."""
        trainee = self.trainee
        self.best = BestEpoch(
            self.epochs_scored, dev, predictions, _copy(trainee.learner), _copy(trainee.rtn), trainee.theta.decay
        )

    def restore_best(self) -> BestEpoch:
        """Give learner and RTN the best epoch's values, and the learner its whole vocabulary."""
        assert self.best is not None
        self.trainee.learner.load_state_dict(self.best.learner)
        self.trainee.rtn.load_state_dict(self.best.rtn)
        if self.vocabulary:
            self.vocabulary.settle(self.best.decay)
        return self.best

    def snapshot(self) -> StateSnapshot:
        """All of it, random states included, as it is now: the tensors may be those in use."""
        trainee = self.trainee
        theta, phi, drawn = trainee.theta.state(), trainee.phi.state(), random_state()
        tensors = {
            **_named("learner", trainee.learner.state_dict()),
            **_named("rtn", trainee.rtn.state_dict()),
            **_named("theta", theta[0]),
            **_named("phi", phi[0]),
            **_named("random", drawn[0]),
        }
        values = {
            "step": self.step, "scored": self.epochs_scored, "seconds": self.seconds, "theta": theta[1], "phi": phi[1],
            "random": drawn[1], "watched": self.guard_state.state(), "order": self.order.state(), "best": None,
        }  # fmt: skip
        if (best := self.best) is None:
            return StateSnapshot({"state": tensors}, values)
        values["best"] = {"epoch": best.epoch, "dev": asdict(best.dev), "predictions": best.predictions,
                          "decay": best.decay}  # fmt: skip
        best_tensors = {**_named("learner", best.learner), **_named("rtn", best.rtn)}
        return StateSnapshot({"state": tensors, "best": best_tensors}, values)

    def load(self, saved: StateSnapshot) -> None:
        """Go on from what `saved` returned, in a state made of the same configuration and data."""
        trainee, values, tensors = self.trainee, saved.values, saved.tensors["state"]
        trainee.learner.load_state_dict(_group(tensors, "learner"))
        trainee.rtn.load_state_dict(_group(tensors, "rtn"))
        trainee.theta.load(_group(tensors, "theta"), values["theta"])
        trainee.phi.load(_group(tensors, "phi"), values["phi"])
        self.step, self.epochs_scored = values["step"], values["scored"]
        self.guard_state.load(values["watched"])
        self.order.load(values["order"])
        if (best := values["best"]) is not None:
            of_best = saved.tensors["best"]
            self.best = BestEpoch(best["epoch"], Scores(**best["dev"]), best["predictions"], _group(of_best, "learner"),
                             _group(of_best, "rtn"), best["decay"])  # fmt: skip
        self._seconds_before, self._started = values["seconds"], time.monotonic()
        set_random_state(_group(tensors, "random"), values["random"])


def _named(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    start = f"{group}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def build_source_order(run: PreparedRun) -> SourceOrder:
    """Which source sentences each step has."""
    config, encoded = run.config, run.source.encoded
    languages = [sentence.language for sentence in encoded]
    lengths = [len(sentence.features["input_ids"]) for sentence in encoded] if config.bucket else None
    seed = config.seed * SEED_STRIDE
    if config.mixing == "bandit":
        return BanditOrder(languages, config.batch_size, seed, config.exploration)
    return EpochOrder(languages, config.batch_size, seed, config.mixing, config.temperature, lengths)


def build_trainee(run: PreparedRun, steps: int) -> Trainee:
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
    phi = Updater(run.rtn, lr=config.meta_lr, measured=run.method.uses_rtn, **shared)
    return Trainee(
        run.learner, run.rtn, theta, phi, run.task, run.backend, run.autocast, run.processes, config.accumulate,
        usefulness=len(config.source) > 1 or config.mixing == "bandit",
    )  # fmt: skip


def compact_vocabulary(run: PreparedRun) -> CompactVocabulary | None:
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
