"""What a step could cost at best: its floating-point operations at the speed of the machine's large matrix products."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from xltransfer.utils.timing import seconds_of

T = TypeVar("T")
_SIDE = {"cpu": 2048, "cuda": 8192}
_REPEATS = 7


def operations(step: Callable[[], T]) -> tuple[T, int]:
    """What a step returns, and the floating-point operations of its matrix products (a product and a sum are two)."""
    with FlopCounterMode(display=False) as counter:
        result = step()
    return result, int(counter.get_total_flops())


def peak_speed(device: torch.device, precision: str) -> float:
    """Floating-point operations a second of a large square matrix product, the median of some."""
    side = _SIDE[device.type]
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    seconds = [seconds_of(lambda: left @ right) for _ in range(_REPEATS + 1)]
    return float(2 * side**3 / statistics.median(seconds[1:]))
