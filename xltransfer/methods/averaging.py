"""Average parameters over training steps: an exponential moving average.

Averages of iterates are Polyak and Juditsky's (1992); that a moving one makes a better
model is Tarvainen and Valpola's (2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.utils.parameters import trainable


class Average:
    """a ← m·a + (1 − m)·θ after step t = 1, 2, ...; m = min(decay, t / (t + 10)), so that early steps fade soon."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._parameters = trainable(module)
        self._decay = decay
        self._steps = 0
        self._values = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        self.unused = 1.0
        """The average of what weight decay has made of a parameter that never had a gradient (`Updater.decay`)."""

    @torch.no_grad()
    def update(self, unused: float) -> None:
        """Take the parameters in after a step; `unused` is `Updater.decay` after it."""
        self._steps += 1
        share = 1 - min(self._decay, self._steps / (self._steps + 10))
        for name, parameter in self._parameters.items():
            self._values[name].lerp_(parameter, share)
        self.unused += share * (unused - self.unused)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context in which the module has the average for its parameters."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.data, self._values[name] = self._values[name], parameter.data

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the averages by parameter, and counts."""
        return self._values, {"steps": self._steps, "unused": self.unused}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, tensor in tensors.items():
            self._values[name].copy_(tensor)
        self._steps, self.unused = values["steps"], values["unused"]
