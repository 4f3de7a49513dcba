"""The processes of a data-parallel run, and the operations across them.

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
        """Sum tensors of the same names over processes."""
        return tensors

    def any(self, flag: bool) -> bool:
        """Whether the value is true in any process."""
        return flag

    def gathered(self, values: list[Any]) -> list[Any]:
        """Concatenate the lists of all processes."""
        return values

    def from_first(self, action: Callable[[], T]) -> T:
        """Call `action` in process 0 alone; every process returns, or raises, its result."""
        return action()

    def together(self, action: Callable[[], T]) -> T:
        """Call `action` in every process; an error of the user's or machine's in one is raised in all."""
        return action()


ALONE = Processes()


def launched_count() -> int:
    """The number of processes that a launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launched_number() -> int:
    """The rank of this process under `torchrun` or `accelerate launch`; 0 without one."""
    return int(os.environ.get("RANK", "0"))
