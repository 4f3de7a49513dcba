"""The processes that train one run together: what every part of it may ask of them.

Each holds all of θ and φ, gets the same batches, and works on its own pieces of them; gradients are summed over
processes before they are used, so that all take the same step.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # the command line answers without torch
    from torch import Tensor

T = TypeVar("T")


class Processes:
    """One process, alone."""

    number: int = 0
    """Of this process; number 0 writes the run folder and talks to the user."""
    count: int = 1

    def total(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The sum over processes of tensors that every process has under the same names."""
        return tensors

    def any(self, flag: bool) -> bool:
        """Whether it is true in one of the processes."""
        return flag

    def gathered(self, values: list[Any]) -> list[Any]:
        """The lists of all processes, one after the other."""
        return values

    def from_first(self, action: Callable[[], T]) -> T:
        """What `action` returns (plain values), or raises, in process 0, which alone calls it."""
        return action()

    def together(self, action: Callable[[], T]) -> T:
        """What `action` returns; if it raises UserError or MachineError in one process, then in all of them."""
        return action()


ALONE = Processes()


def launched_count() -> int:
    """How many processes a launcher has started for this run; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched_number() -> int:
    """Which of the processes that a launcher (`torchrun`, `accelerate launch`) started this is; 0 without one."""
    return int(os.environ.get("RANK", "0"))
