"""Seed random states: each loss of a problem and each RTN has its own seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_RTN_STREAM = 1 << 40
"""Distance between the seed of a pass and those of the RTNs in it; seeds of passes are far smaller."""
_WEIGHTS_STREAM = 1 << 51
"""Distance to those of the weights of its losses: above the RTNs' of any layer, below that of another piece."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Context with torch's random states set from `seed`; restores them afterwards."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:  # torch.manual_seed would seed every kind of device there could be, which takes a millisecond
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def rtn_stream(layer: int) -> Iterator[None]:
    """Context with the random stream of the RTN at `layer` in the current pass.

    The encoder's dropout masks are then the same whether an RTN draws, or its changes are given.
    """
    with seeded((torch.initial_seed() + _RTN_STREAM * (layer + 1)) % (1 << 63)):
        yield


@contextmanager
def weights_stream(layer: int) -> Iterator[None]:
    """Context with the random stream of the current pass's loss weights, whose last RTN is at `layer`."""
    with seeded((torch.initial_seed() + _WEIGHTS_STREAM + _RTN_STREAM * (layer + 1)) % (1 << 63)):
        yield
