"""The training state: everything that changes during training and is saved in a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from xltransfer.data.bandit import BanditOrder
from xltransfer.data.mixing import EpochOrder, SourceOrder
from xltransfer.encoders.learner import layer_factors
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.methods.averaging import Average
from xltransfer.methods.base import Trainee
from xltransfer.methods.updater import Updater
from xltransfer.tasks.base import Scores
from xltransfer.training.checkpointing.random_state import random_state, set_random_state
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.safety.guards import GuardState

State = dict[str, Tensor]
SEED_STRIDE = 1_000_003
"""Distance between the step seeds of two runs whose `--seed` differ by one; larger than the steps of a run."""


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the best dev score so far, with copies of θ and φ."""

    epoch: int
    dev: Scores
    predictions: list[Any]
    learner: State
    """θ. With a compact vocabulary, the word embedding has only the rows in use."""
    rtn: State
    decay: float
    """The factor by which weight decay has shrunk the other rows (see `CompactVocabulary.whole`)."""


@dataclass(frozen=True)
class StateSnapshot:
    """A training state as groups of tensors and JSON-serialisable values."""

    tensors: dict[str, dict[str, Tensor]]
    values: dict[str, Any]


class TrainingState:
    """The state of a run between two steps.

    It includes the order of the source data if a bandit chooses it; otherwise the order follows from seed and step.
    """

    def __init__(self, run: PreparedRun) -> None:
        self.vocabulary = compact_vocabulary(run)
        self.order = build_source_order(run)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.total_steps = self.steps_per_epoch * run.config.epochs
        self.trainee = build_trainee(run, self.total_steps)
        self.average = Average(run.learner, run.config.average) if run.config.average else None
        self.step = 0
        """Steps completed."""
        self.epochs_scored = 0
        """Epochs completed and scored on dev."""
        self.best: BestEpoch | None = None
        self.guard_state = GuardState()
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds spent on training and dev scores, before resuming too."""
        return self._seconds_before + time.monotonic() - self._started

    @contextmanager
    def scored(self) -> Iterator[float]:
        """Context in which θ is what is scored and saved: its average, if there is one.

        Yields the factor by which weight decay has shrunk the vocabulary's unused rows.
        """
        with self.average.in_place() if self.average else nullcontext():
            yield self.average.unused if self.average else self.trainee.theta.decay

    def record_best(self, dev: Scores, predictions: list[Any], decay: float) -> None:
        """Copy θ and φ of the epoch that was just scored as the best; `decay` is what `scored` yielded."""
        trainee = self.trainee
        self.best = BestEpoch(self.epochs_scored, dev, predictions, _copy(trainee.learner), _copy(trainee.rtn), decay)

    def restore_best(self) -> BestEpoch:
        """Load the best epoch into learner and RTN, and give the learner its whole vocabulary back."""
        assert self.best is not None
        self.trainee.learner.load_state_dict(self.best.learner)
        self.trainee.rtn.load_state_dict(self.best.rtn)
        if self.vocabulary:
            self.vocabulary.restore_trained(self.best.decay)
        return self.best

    def snapshot(self) -> StateSnapshot:
        """Return the whole state, random states included. The tensors are not copies."""
        trainee = self.trainee
        theta, phi, random = trainee.theta.state(), trainee.phi.state(), random_state()
        tensors = {
            **_with_prefix("learner", trainee.learner.state_dict()),
            **_with_prefix("rtn", trainee.rtn.state_dict()),
            **_with_prefix("theta", theta[0]),
            **_with_prefix("phi", phi[0]),
            **_with_prefix("random", random[0]),
        }
        values = {
            "step": self.step, "scored": self.epochs_scored, "seconds": self.seconds, "theta": theta[1], "phi": phi[1],
            "random": random[1], "watched": self.guard_state.state(), "order": self.order.state(), "best": None,
        }  # fmt: skip
        if self.average:
            averaged, values["average"] = self.average.state()
            tensors |= _with_prefix("average", averaged)
        if (best := self.best) is None:
            return StateSnapshot({"state": tensors}, values)
        values["best"] = {"epoch": best.epoch, "dev": asdict(best.dev), "predictions": best.predictions,
                          "decay": best.decay}  # fmt: skip
        best_tensors = {**_with_prefix("learner", best.learner), **_with_prefix("rtn", best.rtn)}
        return StateSnapshot({"state": tensors, "best": best_tensors}, values)

    def load(self, saved: StateSnapshot) -> None:
        """Restore what `snapshot` returned. This state must have the same configuration and data."""
        trainee, values, tensors = self.trainee, saved.values, saved.tensors["state"]
        trainee.learner.load_state_dict(_without_prefix(tensors, "learner"))
        trainee.rtn.load_state_dict(_without_prefix(tensors, "rtn"))
        trainee.theta.load(_without_prefix(tensors, "theta"), values["theta"])
        trainee.phi.load(_without_prefix(tensors, "phi"), values["phi"])
        if self.average:
            self.average.load(_without_prefix(tensors, "average"), values["average"])
        self.step, self.epochs_scored = values["step"], values["scored"]
        self.guard_state.load(values["watched"])
        self.order.load(values["order"])
        if (best := values["best"]) is not None:
            learner, rtn = (_without_prefix(saved.tensors["best"], group) for group in ("learner", "rtn"))
            dev = Scores(**best["dev"])
            self.best = BestEpoch(best["epoch"], dev, best["predictions"], learner, rtn, best["decay"])
        self._seconds_before, self._started = values["seconds"], time.monotonic()
        set_random_state(_without_prefix(tensors, "random"), values["random"])


def _with_prefix(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def _without_prefix(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    start = f"{group}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def build_source_order(run: PreparedRun) -> SourceOrder:
    """Build the order in which source sentences are drawn: by a bandit, or epoch by epoch."""
    config, encoded = run.config, run.source.encoded
    languages = [sentence.language for sentence in encoded]
    lengths = [len(sentence.features["input_ids"]) for sentence in encoded] if config.bucket else None
    seed = config.seed * SEED_STRIDE
    if config.mixing == "bandit":
        return BanditOrder(languages, config.batch_size, seed, config.exploration)
    return EpochOrder(languages, config.batch_size, seed, config.mixing, config.temperature, lengths)


def build_trainee(run: PreparedRun, steps: int) -> Trainee:
    """Build learner, RTN and their optimizers for a method; learning-rate schedules last `steps` steps."""
    config = run.config
    assert config.lr is not None
    shared: dict[str, Any] = {
        "optimizer": config.optimizer,
        "weight_decay": config.weight_decay,
        "warmup": config.warmup,
        "clip": config.clip,
        "total_steps": steps,
    }
    factors = layer_factors(run.learner, config.layer_decay) if config.layer_decay < 1 else None
    theta = Updater(run.learner, lr=config.lr, factors=factors, **shared)
    phi = Updater(run.rtn, lr=config.meta_lr, measured=run.method.uses_rtn, **shared)
    return Trainee(
        run.learner, run.rtn, theta, phi, run.task, run.backend, run.autocast, run.processes, config.accumulate,
        consistency=config.consistency, usefulness=len(config.sources) > 1 or config.mixing == "bandit",
    )  # fmt: skip


def compact_vocabulary(run: PreparedRun) -> CompactVocabulary | None:
    """Reduce the word embedding to the subwords of the training data, if that is exact and saves enough."""
    config = run.config
    if config.vocabulary == "full" or (config.optimizer == "adam" and config.weight_decay):  # L2 changes unused rows
        return None
    used = {run.encoder.tokenizer.pad_token_id}
    for part in (run.source, run.target):
        used.update(token for sentence in part.encoded for token in sentence.features["input_ids"])
    return CompactVocabulary.reduce_if_worthwhile(run.learner, used)


def _copy(module: Any) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}
