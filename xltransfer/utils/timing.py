"""Time a call, including GPU work."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds_of(action: Callable[[], object]) -> float:
    """Measure the seconds of one call: by events on a GPU, which begins idle; else by the clock."""
    if torch.cuda.is_available():
        return _by_events(action)
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _by_events(action: Callable[[], object]) -> float:
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    first.record()
    action()
    last.record()
    torch.cuda.synchronize()
    return float(first.elapsed_time(last)) / 1000
