"""Record the RTN's changes and loss weights in a source pass, and backpropagate from them to φ.

∇_θ stops at an RTN's input (Xia et al. 2021, section 3.1; the released code detaches it). A meta-gradient may not stop
there: the input of a later RTN depends on φ through an earlier one, and, from the second inner step on, through θ. So
do, even of a single RTN, the losses by which it weighs: through its change.
`Changes` stands in for an RTN and cuts for ∇_θ alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xltransfer.utils.seeding import weights_stream


class Changes:
    """Wraps an RTN in a source pass and records its outputs (changes, weights) in `made`, in order.

    Use one for all passes that make up a meta-gradient. `unrolled`: there is more than one inner step.
    """

    def __init__(self, rtn: nn.Module, unrolled: bool = False) -> None:
        self.rtn = rtn
        self.made: list[Tensor] = []
        self.weighs: bool = getattr(rtn, "weighs", False)
        """See `RTN.weighs`."""
        self.cuts = False
        """Whether a path to φ or θ leads on below some RTN, so that the pass's graph must be kept for `followed`."""
        self._unrolled = unrolled
        self._stacked = True
        self._gate = _Gate()
        self._last: tuple[Any, ...] = ()

    def __call__(self, *args: Any) -> Tensor:
        """The change (batch, time, dim) for (hidden, mask, layer)."""
        inputs = tuple(self._cut(arg) if isinstance(arg, Tensor) else arg for arg in args)
        change: Tensor = self.rtn(*inputs)
        self.made.append(change)
        if self.weighs:
            self._last = inputs
        return change

    def weights_for(self, losses: Tensor, labelled: Tensor) -> Tensor:
        """Loss weights of the pass that just ended; see `RTN.weights`."""
        hidden, mask, layer = self._last
        self._last = ()
        reached = self._unrolled or any(value.requires_grad for value in self.made)
        with weights_stream(layer):
            weights: Tensor = self.rtn.weights(  # type: ignore[operator]
                self._led_on(losses) if reached else losses.detach(), labelled, hidden, mask, layer
            )
        self.made.append(weights)
        return weights

    def mix(self) -> Tensor | None:
        """See `RTN.mix`."""
        weights: Tensor | None = self.rtn.mix()  # type: ignore[operator]
        if weights is not None:
            self.made.append(weights)
            self._stacked = False
        return weights

    def _cut(self, hidden: Tensor) -> Tensor:
        leads_on = self._unrolled or (self._stacked and bool(self.made))
        return self._led_on(hidden) if leads_on else hidden.detach()

    def _led_on(self, value: Tensor) -> Tensor:
        """`value`, through which only backward passes within `followed` lead."""
        if not value.requires_grad:
            return value.detach()
        self.cuts = True
        return _Cut.apply(value, self._gate)  # type: ignore[no-any-return,no-untyped-call]

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Context in which backward passes continue through the RTNs' inputs."""
        self._gate.open = True
        try:
            yield
        finally:
            self._gate.open = False

    def held(self) -> HeldChanges:
        """Copy the changes as leaf tensors, for passes with other θ."""
        values = [value.detach().requires_grad_() for value in self.made]
        return HeldChanges(values, mixed=not self._stacked, weighs=self.weighs)

    def pull_back(self, weights: Sequence[Tensor | None], by: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """Differentiate Σ ⟨change, weight⟩ by each tensor of `by` (φ, or θ if unrolled)."""
        pairs = [(c, w) for c, w in zip(self.made, weights, strict=True) if w is not None and c.requires_grad]
        if not pairs or not by:
            return (None,) * len(by)
        outputs, factors = zip(*pairs, strict=True)
        with self.followed():
            return torch.autograd.grad(outputs, by, grad_outputs=factors, allow_unused=True)


class HeldChanges:
    """Replays the changes of an earlier pass, in order, instead of evaluating an RTN."""

    def __init__(self, values: list[Tensor], mixed: bool, weighs: bool) -> None:
        self.values = values
        self.weighs = weighs
        self._mixed = mixed
        self._next = 0

    def __call__(self, *args: Any) -> Tensor:
        """The change that the RTN made at the same point of that pass."""
        self._next += 1
        return self.values[self._next - 1]

    def mix(self) -> Tensor | None:
        """See `RTN.mix`."""
        return self() if self._mixed else None

    def weights_for(self, losses: Tensor, labelled: Tensor) -> Tensor:
        """See `Changes.weights_for`."""
        return self()


class _Gate:
    open = False


class _Cut(torch.autograd.Function):
    """The identity; its backward passes nothing on while the gate is shut."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, gate: _Gate) -> Tensor:
        ctx.gate = gate
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        return (gradient if ctx.gate.open else None), None


Change = Callable[..., Tensor]
"""What the learner takes for an RTN: an `RTN`, its `Changes`, `HeldChanges`, or a function of (hidden, mask, layer).

Source losses (`source_loss`) take the first three, which say how passes are mixed and whether losses are weighed."""
