"""What watches over training: numbers that are not finite, gradients that explode, an RTN that learns nothing."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from xltransfer.data.batching import Batch
from xltransfer.errors import ConfigError, FailedStepError, NonFiniteError
from xltransfer.methods.base import Trainee
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.progress import Reporter
from xltransfer.training.safety.failed_step import StepInputs, save, sentence_ids
from xltransfer.utils.parameters import trainable

EXPLODED = 1000.0
"""How many times the running median a meta-gradient's norm has to be."""
_WINDOW = 100
_FEWEST = 10
_SHOWN = 16
_SMALLEST = torch.finfo(torch.float32).tiny


class GuardState:
    """What the guards have seen of a run so far; a part of its training state."""

    def __init__(self) -> None:
        self.skipped = 0
        """Steps passed over."""
        self.exploded = False
        """Whether an exploding meta-gradient was warned of."""
        self.norms: deque[float] = deque(maxlen=_WINDOW)
        """Those of the last meta-gradients."""

    def state(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"skipped": self.skipped, "exploded": self.exploded, "norms": list(self.norms)}

    def load(self, values: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.skipped, self.exploded = values["skipped"], values["exploded"]
        self.norms = deque(values["norms"], maxlen=_WINDOW)


class StepGuard:
    """Runs the steps of a run, and stops or warns where their numbers show a fault."""

    def __init__(
        self,
        run: PreparedRun,
        watched: GuardState,
        run_dir: Path,
        log: Callable[[dict[str, Any]], None],
        reporter: Reporter,
    ) -> None:
        self.run = run
        self.run_dir = run_dir
        self._watched = watched
        self._log = log
        self._reporter = reporter

    def step(self, trainee: Trainee, draw: StepInputs, source: Batch, target: Batch) -> dict[str, float]:
        """One step of the method. Returns what to log, `{"skipped": 1.0}` for a step that was passed over.

        Raises FailedStepError for a loss or gradient that is not finite, unless it may be skipped.
        """
        buffers = {name: buffer.clone() for name, buffer in self.run.rtn.named_buffers()}
        try:
            figures = self.run.method.step(trainee, source, target, draw.seed)
        except NonFiniteError as error:
            for name, buffer in self.run.rtn.named_buffers():
                buffer.copy_(buffers[name])
            self._skip_or_stop(trainee, draw, error)
            return {"skipped": 1.0}
        if "meta_grad_norm" in figures and trainable(self.run.rtn):
            self._check_norm(draw, figures["meta_grad_norm"])
        return figures

    def _skip_or_stop(self, trainee: Trainee, draw: StepInputs, error: NonFiniteError) -> None:
        limit, watched = self.run.config.skip_nonfinite, self._watched
        told = f"step {draw.step} (epoch {draw.epoch}): {error}"
        if watched.skipped < limit:
            watched.skipped += 1
            trainee.theta.skip()
            trainee.phi.skip()
            self._warn(draw, f"{told}; skipped, {watched.skipped} of {limit}.")
            return
        config = self.run.config
        ids = {
            "source": sentence_ids(self.run.source, draw.source),
            "target": sentence_ids(self.run.target, draw.target),
        }
        first = self.run.processes.number == 0
        kept = save(self.run_dir, self.run, trainee, draw, ids, error.figures) if first else ""
        broken = [name for name, module in (("θ", self.run.learner), ("φ", self.run.rtn))
                  if not all(bool(torch.isfinite(value).all()) for value in module.parameters())]  # fmt: skip
        before = f" {' and '.join(broken)} already held such values before it." if broken else ""
        told += f", {limit} such steps having been skipped" if limit else ""
        raise FailedStepError(
            f"{told}.{before} Nothing was updated by it. Source sentences: {_shown(ids['source'])}; target sentences: "
            f"{_shown(ids['target'])}. {kept} {_remedy(config.lr, config.meta_lr, config.clip, config.precision)}"
        ) from error

    def _check_norm(self, draw: StepInputs, norm: float) -> None:
        watched = self._watched
        first = not watched.norms  # of the steps with a meta-gradient
        if first and norm == 0:
            if draw.lr < _SMALLEST:
                raise ConfigError([
                    f"lr: it is {draw.lr:g} at the RTN's first step, which is 0 in fp32, and with it the meta-gradient;"
                    " allowed: a peak and a warm-up whose first rate is above 1e-38."
                ])  # fmt: skip
            self._warn(
                draw,
                f"rtn {self.run.config.rtn}: its gradient is zero at its first step, so that it learns nothing. "
                "Either what forward returns does not change with its parameters (they are multiplied by 0, or behind "
                "an activation that is shut), or no loss depends on it.",
            )
        if first and self.run.config.meta_lr == 0:
            self._warn(draw, f"meta_lr: it is 0, so that rtn {self.run.config.rtn} stays as it was initialised.")
        usual = statistics.median(watched.norms) if len(watched.norms) >= _FEWEST else 0.0
        if usual and norm > EXPLODED * usual and not watched.exploded:
            watched.exploded = True
            clip = self.run.config.clip
            clipped = f"; it is clipped to {clip:g}" if clip else "; nothing clips it (--clip 0)"
            self._warn(
                draw,
                f"step {draw.step}: the meta-gradient's norm is {norm:.3g}, {norm / usual:.0f} times the median of the "
                f"last {len(watched.norms)} steps ({usual:.3g}){clipped}. A lower "
                "--lr or --meta-lr makes training steadier. Said once.",
            )
        watched.norms.append(norm)

    def _warn(self, draw: StepInputs, message: str) -> None:
        self._log({"step": draw.step, "epoch": draw.epoch, "warning": message})
        self._reporter.warn(message)


def _shown(ids: list[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more


def _remedy(lr: float | None, meta_lr: float, clip: float, precision: str) -> str:
    tries = [f"a lower --lr (now {lr:g})", f"a lower --meta-lr (now {meta_lr:g})"]
    tries += [] if precision == "fp32" else [f"--precision fp32 (now {precision})"]
    tries.append(f"a lower --clip (now {clip:g})" if clip else "--clip 10 (now 0, none)")
    return f"Try {', '.join(tries)}; --skip-nonfinite N passes over N such steps."
