"""Choose the fastest exact mode of `func` by a short timed trial.

Double backward is usually faster and forward-over-reverse needs less memory, but which wins depends on the insertion
layer, the batch and the machine. `xlt run` makes the trial before training, and its config.yaml holds the choice.
"""

from __future__ import annotations

import statistics
from typing import Any, get_args, get_type_hints

from xltransfer.backends.base import Backend, BilevelProblem, InnerSteps, MetaStep
from xltransfer.backends.func import Func
from xltransfer.utils.timing import seconds_of

REPEATS = 3


class Auto(Backend):
    """One of `func`'s modes."""

    capabilities = Func.capabilities

    def __init__(self, *, inner_steps: InnerSteps = 1) -> None:
        self.inner_steps = inner_steps
        self.candidates = {mode: Func(mode=mode, inner_steps=inner_steps) for mode in modes()}
        self._chosen: Func | None = None

    def step(self, problem: BilevelProblem, inner_lr: float) -> MetaStep:
        """See `Backend.step`. The first call makes the trial."""
        if self._chosen is None:
            seconds = self.trial(problem, inner_lr)
            self._chosen = self.candidates[min(seconds, key=seconds.__getitem__)]
        return self._chosen.step(problem, inner_lr)

    def trial(self, problem: BilevelProblem, inner_lr: float) -> dict[str, float]:
        """Time a step in each mode: medians of alternating steps after a warm-up."""
        times: dict[str, list[float]] = {mode: [] for mode in self.candidates}
        for _ in range(REPEATS + 1):
            for mode, backend in self.candidates.items():
                times[mode].append(seconds_of(lambda backend=backend: backend.step(problem, inner_lr)))  # type: ignore[misc]
        return {mode: statistics.median(values[1:]) for mode, values in times.items()}


def modes() -> tuple[Any, ...]:
    """The modes of `func` to choose from."""
    return get_args(get_type_hints(Func.__init__)["mode"])
