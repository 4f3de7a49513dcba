"""Save checkpoints during training and restore the latest one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.errors import CheckpointError, explain_machine_error
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.checkpointing.checkpoint import Checkpoint
from xltransfer.training.device import numeric_environment
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import RunFolder
from xltransfer.training.state import StateSnapshot, TrainingState
from xltransfer.utils.version import __version__

EPOCH_SAVE_SHARE = 0.02
"""The largest share of the time since the last save that a save at the end of an epoch may take."""


class CheckpointSaver:
    """Saves checkpoints every N steps or minutes, at the end of an epoch if that is cheap, and on demand."""

    def __init__(
        self, run: PreparedRun, state: TrainingState, folder: RunFolder, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._state = state
        self._folder = folder
        self._clock = clock
        self._every_steps = run.config.checkpoint_steps or 0
        self._every_seconds = 60 * (run.config.checkpoint_minutes or 0)
        self._last_save, self._save_seconds = clock(), 0.0
        self._latest: Path | None = None

    @property
    def enabled(self) -> bool:
        """Whether this process writes checkpoints."""
        return bool(self._every_steps or self._every_seconds) and self._run.processes.number == 0

    def after_step(self) -> None:
        """Save if the step or time interval has passed."""
        by_steps = self._every_steps and self._state.step % self._every_steps == 0
        if by_steps or (self._every_seconds and self._clock() - self._last_save >= self._every_seconds):
            self.save()

    def after_epoch(self) -> None:
        """Save the scored epoch if that is cheap. The last epoch is always saved, so that it is not trained again."""
        last = self._state.epochs_scored == self._run.config.epochs
        if last or self._save_seconds <= EPOCH_SAVE_SHARE * (self._clock() - self._last_save):
            self.save()

    def save(self) -> None:
        """Save unless saving is disabled or nothing has changed. The previous checkpoint is kept as well."""
        state = self._state
        path = self._folder.path / checkpoint.FOLDER / checkpoint.checkpoint_name(state.step, self._ends_epoch)
        if not self.enabled or path == self._latest:
            return
        started = self._clock()
        saved = state.snapshot()
        metadata = {**run_identity(self._run.config), "inputs": self._input_digests, "machine": self._machine,
                    "log_bytes": self._folder.log_position()}  # fmt: skip
        checkpoint.write(path, saved.tensors, saved.values, metadata)
        checkpoint.delete_all_except(path.parent, {path, self._latest or path})
        self._latest, self._last_save = path, self._clock()
        self._save_seconds = self._last_save - started

    def load(self, found: Checkpoint, reporter: Reporter) -> None:
        """Restore the state from a checkpoint. Raises CheckpointError if data, plugins or encoder have changed."""
        digests = found.metadata["inputs"]
        if changed := [name for name, digest in self._input_digests.items() if digests.get(name) != digest]:
            raise CheckpointError(
                f"resume: changed since the run began: {', '.join(changed)}; restore the original, or start a new run."
            )
        before = found.metadata["machine"]
        changes = [f"{name} {before.get(name)} then, {value} now" for name, value in self._machine.items()
                   if before.get(name) != value]  # fmt: skip
        if changes:
            reporter.warn(
                f"{'; '.join(changes)}: the rest of this run may differ in rounding, or in dropout masks, from an "
                "uninterrupted one."
            )
        tensors = {name: found.tensors(name) for name in ("state", "best")}
        try:
            self._state.load(StateSnapshot(tensors, found.values()))
        except (RuntimeError, KeyError) as error:
            unfit = f"resume: {found.path} does not fit this run: {' '.join(str(error).split())}"
            raise explain_machine_error(error, self._run.config.batch_size) or CheckpointError(unfit) from error
        self._latest = found.path

    @property
    def _ends_epoch(self) -> bool:
        return self._state.step == self._state.epochs_scored * self._state.steps_per_epoch

    @property
    def _machine(self) -> dict[str, Any]:
        """What affects rounding and dropout: hardware, torch, and the number of pieces, each with its own masks."""
        pieces = self._run.processes.count * self._run.config.accumulate
        return {**numeric_environment(self._run.device), "pieces of a batch": pieces}

    @cached_property
    def _input_digests(self) -> dict[str, Any]:
        """Digests of the data, encoder and plugins that the configuration only refers to."""
        run, vocabulary = self._run, self._state.vocabulary
        digests: dict[str, Any] = {"data": _digest_of_data(run)}
        if vocabulary is not None:  # without a compact vocabulary, the checkpoint holds every weight
            digests["encoder"] = vocabulary.digest_of_unused()
        for plugin in run.config.plugin:
            digests[f"plugin {plugin}"] = hashlib.sha256(Path(plugin).read_bytes()).hexdigest()
        return digests


def run_identity(config: RunConfig) -> dict[str, Any]:
    """The version and configuration that a checkpoint must match to be resumed."""
    plain: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    return {"xltransfer": __version__, "config": plain}


def _digest_of_data(run: PreparedRun) -> str:
    digest = hashlib.sha256(json.dumps(run.labels).encode())
    for part in (run.source, run.target, run.dev, run.test):
        for example in part.examples:
            digest.update(repr(example).encode(errors="surrogatepass"))
        for one in part.encoded:
            facts = [dict(one.features), one.labels, one.words, one.language, one.continues]
            digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()
