"""Update one set of parameters: clipping, optimiser and learning-rate schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.backends.inner_update import Adam
from xltransfer.errors import NonFiniteError, require_finite
from xltransfer.utils.parameters import Gradients, trainable


class Updater:
    """Adam or AdamW with linear warm-up and decay over `total_steps`.

    The rate of step t (from 0) is lr · min((t + 1) / warm-up, (total − t) / (total − warm-up)): never 0, because a
    zero inner learning rate makes the meta-gradient vanish (the released code's first step). `clip` 0 is no clipping.
    `factors` are of the rate of each parameter.
    """

    def __init__(
        self, module: nn.Module, *, optimizer: str, lr: float, weight_decay: float, warmup: float, clip: float,
        total_steps: int, measured: bool = False, factors: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.parameters = trainable(module)
        self.clip = clip
        self._peak = lr
        self._warmup = max(1, round(warmup * total_steps))
        self._total = total_steps
        self.done = 0
        """Steps completed, those without an update too."""
        self._change: tuple[Tensor, Tensor] | None = None
        """Norms of the last step's update and of the parameters before it."""
        self._measured = measured and bool(self.parameters)
        self.decay = 1.0
        """What decoupled weight decay has made of a parameter of the lowest rate that never had a gradient."""
        self._weight_decay = weight_decay if optimizer == "adamw" else 0.0
        kind = torch.optim.AdamW if optimizer == "adamw" else torch.optim.Adam
        factor_of = dict.fromkeys(self.parameters, 1.0) if factors is None else factors
        # groups of neighbours, so that parameters keep their numbers in the optimiser's state
        grouped = [(factor, [self.parameters[name] for name in names])
                   for factor, names in groupby(self.parameters, key=factor_of.__getitem__)]  # fmt: skip
        self._factors = [factor for factor, _ in grouped]
        self._lowest = min(self._factors, default=1.0)
        groups = [{"params": parameters} for _, parameters in grouped]
        self._optimizer = kind(groups, lr=lr, weight_decay=weight_decay) if groups else None

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        rising = (self.done + 1) / self._warmup
        falling = (self._total - self.done) / max(1, self._total - self._warmup)
        return self._peak * max(0.0, min(1.0, rising, falling))

    @property
    def ratio(self) -> float | None:
        """|Δ| / |parameters| of the last step's update, where that is `measured`, which costs a copy of them."""
        if self._change is None:
            return None
        change, size = self._change
        return (change / size).item() if size > 0 else None

    @property
    def progress(self) -> float:
        """The share of all steps completed."""
        return self.done / self._total

    def inner_update(self) -> Adam:
        """The next update's direction as a function of the gradient."""
        return Adam({}) if self._optimizer is None else Adam.of(self._optimizer, self.parameters)

    def apply(
        self, gradients: Gradients, norm: Tensor | None = None, *, found: float | None = None, normalised: bool = False
    ) -> float:
        """Clip, update, and advance the schedule. Returns the gradient norm before clipping.

        `norm` is that norm, and `found` its value on the host, where they are known. Raises NonFiniteError if it is NaN
        or infinite, and changes nothing. `normalised`: the gradient is divided by its norm first; not one of norm 0.
        """
        norm = self.norm(gradients) if norm is None else norm
        found = norm.item() if found is None else found
        require_finite({"gradient_norm": found})
        if normalised and found > 0:
            gradients = {name: gradient / norm for name, gradient in gradients.items()}
            norm = torch.ones_like(norm)
        if self._optimizer is not None:
            for name, parameter in self.parameters.items():
                parameter.grad = gradients[name]
            if self.clip:
                nn.utils.clip_grads_with_norm_(self.parameters.values(), self.clip, norm)
            for group, factor in zip(self._optimizer.param_groups, self._factors, strict=True):
                group["lr"] = self.lr * factor
            before = [parameter.detach().clone() for parameter in self.parameters.values() if self._measured]
            self._optimizer.step()
            self._change = self._changed(before)
            self._optimizer.zero_grad(set_to_none=True)
        self.decay *= 1 - self.lr * self._lowest * self._weight_decay
        self.done += 1
        return found

    @torch.no_grad()
    def _changed(self, before: list[Tensor]) -> tuple[Tensor, Tensor] | None:
        if not before:
            return None
        change = nn.utils.get_total_norm([now - old for now, old in zip(self.parameters.values(), before, strict=True)])
        return change, nn.utils.get_total_norm(before)

    def norm(self, gradients: Gradients) -> Tensor:
        """The norm of all gradients together, a scalar; 0 where nothing is trained."""
        return nn.utils.get_total_norm([gradients[name] for name in self.parameters])

    def skip(self, steps: int = 1) -> None:
        """Advance the schedule without an update."""
        self.done += steps
        self._change = None

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Context that undoes an update if NonFiniteError is raised after it; copies what is updated."""
        values = [parameter.detach().clone() for parameter in self.parameters.values()]
        tensors, place = self.state()
        moments = {name: tensor.clone() for name, tensor in tensors.items()}
        try:
            yield
        except NonFiniteError:
            self.load(moments, place)
            with torch.no_grad():
                for parameter, value in zip(self.parameters.values(), values, strict=True):
                    parameter.copy_(value)
            raise

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the optimiser's tensors by parameter and the position in the schedule."""
        moments: Mapping[Any, Mapping[str, Tensor]] = {} if self._optimizer is None else self._optimizer.state
        tensors = {
            f"{kind}.{name}": tensor
            for name, parameter in self.parameters.items()
            for kind, tensor in moments.get(parameter, {}).items()
        }
        return tensors, {"done": self.done, "decay": self.decay}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.done, self.decay = values["done"], values["decay"]
        if self._optimizer is None:
            return
        places = {name: place for place, name in enumerate(self.parameters)}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            moments.setdefault(places[name], {})[kind] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
