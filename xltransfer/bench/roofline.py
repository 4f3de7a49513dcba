"""Lower bound of a step's time: its operations at the machine's matrix-product speed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from xltransfer.training.device import set_matmul_precision
from xltransfer.utils.timing import seconds_of

T = TypeVar("T")
_SIDE = {"cpu": 2048, "cuda": 8192}
_REPEATS = 7


def operations(step: Callable[[], T]) -> tuple[T, int]:
    """Run a step and count the floating-point operations of its matrix products (multiply-add is two)."""
    with FlopCounterMode(display=False) as counter:
        result = step()
    return result, int(counter.get_total_flops())


def peak_speed(device: torch.device, precision: str) -> float:
    """Measure floating-point operations per second of a large square matrix product (median)."""
    side = _SIDE[device.type]
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    set_matmul_precision(precision)
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    seconds = [seconds_of(lambda: left @ right) for _ in range(_REPEATS + 1)]
    return float(2 * side**3 / statistics.median(seconds[1:]))


def roofline(count: int, speed: float, seconds: float) -> float | None:
    """Return the share of its time that a step needs for `count` operations; None if they do not fit in that time.

    Then what was counted is not what was timed.
    """
    share = count / speed / seconds
    return share if share <= 1 else None
