"""Detect steps that are not finite, exploding meta-gradients, and an RTN that receives no gradient."""

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
from xltransfer.training.safety.failed_step import StepInputs, save_failed_step, sentence_ids
from xltransfer.utils.parameters import trainable

EXPLOSION_FACTOR = 1000.0
"""A meta-gradient explodes if its norm is more than this factor times the running median."""
_WINDOW = 100
_MIN_NORMS = 10
_MAX_IDS = 16
_MIN_LR = torch.finfo(torch.float32).tiny


class GuardState:
    """Counts and norms that `StepGuard` needs from earlier steps; saved in checkpoints."""

    def __init__(self) -> None:
        self.skipped = 0
        """The number of skipped steps."""
        self.exploded = False
        """Whether a warning about an exploding meta-gradient was given."""
        self.norms: deque[float] = deque(maxlen=_WINDOW)
        """Norms of the last `_WINDOW` meta-gradients."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"skipped": self.skipped, "exploded": self.exploded, "norms": list(self.norms)}

    def load(self, values: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.skipped, self.exploded = values["skipped"], values["exploded"]
        self.norms = deque(values["norms"], maxlen=_WINDOW)


class StepGuard:
    """Takes training steps, and raises or warns if their losses or gradients show a fault."""

    def __init__(
        self,
        run: PreparedRun,
        state: GuardState,
        run_dir: Path,
        log: Callable[[dict[str, Any]], None],
        reporter: Reporter,
    ) -> None:
        self.run = run
        self.run_dir = run_dir
        self._state = state
        self._log = log
        self._reporter = reporter

    def step(self, trainee: Trainee, inputs: StepInputs, source: Batch, target: Batch) -> dict[str, float]:
        """Take one step of the method and return the figures to log, `{"skipped": 1.0}` for a skipped step.

        Raises FailedStepError for a loss or gradient that is not finite, unless `skip_nonfinite` allows to skip it.
        """
        buffers = {name: buffer.clone() for name, buffer in self.run.rtn.named_buffers()}
        try:
            figures = self.run.method.step(trainee, source, target, inputs.seed)
        except NonFiniteError as error:
            for name, buffer in self.run.rtn.named_buffers():
                buffer.copy_(buffers[name])
            self._skip_or_stop(trainee, inputs, error)
            return {"skipped": 1.0}
        if "meta_grad_norm" in figures and trainable(self.run.rtn):
            self._check_norm(inputs, figures["meta_grad_norm"])
        return figures

    def _skip_or_stop(self, trainee: Trainee, inputs: StepInputs, error: NonFiniteError) -> None:
        """Count a skipped step, or save the failed step and raise FailedStepError if no more steps may be skipped."""
        limit, state = self.run.config.skip_nonfinite, self._state
        problem = f"step {inputs.step} (epoch {inputs.epoch}): {error}"
        if state.skipped < limit:
            state.skipped += 1
            trainee.theta.skip()
            trainee.phi.skip()
            self._warn(inputs, f"{problem}; skipped, {state.skipped} of {limit}.")
            return
        config = self.run.config
        ids = {"source": sentence_ids(self.run.source, inputs.source),
               "target": sentence_ids(self.run.target, inputs.target)}  # fmt: skip
        where_saved = ""
        if self.run.processes.number == 0:
            where_saved = save_failed_step(self.run_dir, self.run, trainee, inputs, ids, error.figures)
        broken = [name for name, module in (("θ", self.run.learner), ("φ", self.run.rtn))
                  if not all(bool(torch.isfinite(value).all()) for value in module.parameters())]  # fmt: skip
        before = f" {' and '.join(broken)} already held such values before it." if broken else ""
        problem += f", {limit} such steps were skipped before" if limit else ""
        remedy = _remedy(config.lr, config.meta_lr, config.clip, config.precision)
        raise FailedStepError(
            f"{problem}.{before} No parameter was updated. Source sentences: {_list_ids(ids['source'])}; target "
            f"sentences: {_list_ids(ids['target'])}. {where_saved} {remedy}"
        ) from error

    def _check_norm(self, inputs: StepInputs, norm: float) -> None:
        """Warn of a zero or exploding meta-gradient. Raises ConfigError if the learning rate underflows in fp32."""
        state = self._state
        first = not state.norms  # of the steps with a meta-gradient
        if first and norm == 0:
            if inputs.lr < _MIN_LR:
                raise ConfigError([
                    f"lr: it is {inputs.lr:g} at the RTN's first step, which is 0 in fp32, and with it the "
                    "meta-gradient; allowed: a peak and a warm-up whose first learning rate is above 1e-38."
                ])  # fmt: skip
            self._warn(
                inputs,
                f"rtn {self.run.config.rtn}: its gradient is zero at its first step, so it cannot learn. "
                "Either the output of forward does not depend on its parameters (they are multiplied by 0, or the "
                "activation after them is saturated), or no loss depends on it.",
            )
        if first and self.run.config.meta_lr == 0:
            self._warn(inputs, f"meta_lr: it is 0, so rtn {self.run.config.rtn} keeps its initial parameters.")
        usual = statistics.median(state.norms) if len(state.norms) >= _MIN_NORMS else 0.0
        if usual and norm > EXPLOSION_FACTOR * usual and not state.exploded:
            state.exploded = True
            clip = self.run.config.clip
            clipped = f"; it is clipped to {clip:g}" if clip else "; nothing clips it (--clip 0)"
            self._warn(
                inputs,
                f"step {inputs.step}: the meta-gradient's norm is {norm:.3g}, {norm / usual:.0f} times the median of "
                f"the last {len(state.norms)} steps ({usual:.3g}){clipped}. A lower "
                "--lr or --meta-lr makes training steadier. This warning is given once.",
            )
        state.norms.append(norm)

    def _warn(self, inputs: StepInputs, message: str) -> None:
        self._log({"step": inputs.step, "epoch": inputs.epoch, "warning": message})
        self._reporter.warn(message)


def _list_ids(ids: list[str]) -> str:
    more = f" and {len(ids) - _MAX_IDS} more" if len(ids) > _MAX_IDS else ""
    return ", ".join(ids[:_MAX_IDS]) + more


def _remedy(lr: float | None, meta_lr: float, clip: float, precision: str) -> str:
    tries = [f"a lower --lr (now {lr:g})", f"a lower --meta-lr (now {meta_lr:g})"]
    tries += [] if precision == "fp32" else [f"--precision fp32 (now {precision})"]
    tries.append(f"a lower --clip (now {clip:g})" if clip else "--clip 10 (now 0, none)")
    return f"Try {', '.join(tries)}; --skip-nonfinite N skips up to N such steps."
