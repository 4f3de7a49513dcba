"""Two tiers of tests: what `make test` runs, and what only `make test-all` runs (`@pytest.mark.slow`)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import torch

from xltransfer.training.device import supports_bf16


def covering(*axes: Sequence[Any]) -> list[Any]:
    """Every combination of two or three axes, as parameters of one test; most of them are slow.

    Not slow is a Latin square: each value of an axis with each value of every other where the last axis is the
    shortest, or, of two axes, each value of either at least once.
    """
    *first, last = axes
    found = []
    for places in itertools.product(*(range(len(axis)) for axis in axes)):
        *others, place = places
        quick = place == sum(others) % len(last) or (len(axes) == 2 and places[0] == place % len(first[0]))
        values = [axis[number] for axis, number in zip(axes, places, strict=True)]
        found.append(pytest.param(*values, marks=() if quick else pytest.mark.slow))
    return found


BF16 = pytest.mark.skipif(not supports_bf16(torch.device("cpu")), reason="this CPU has no bf16 arithmetic")
"""Marks tests that compute in bf16, as CPUs do since about 2020 with AVX-512 or AMX, and laptops may not."""


def first_quick(values: Iterable[Any], quick: int = 1) -> list[Any]:
    """The values of one parameter (or tuples of several); all but the first `quick` are slow; `BF16` too."""
    found = []
    for number, value in enumerate(values):
        marks = [] if number < quick else [pytest.mark.slow]
        if isinstance(value, dict | list) and "bf16" in (value.values() if isinstance(value, dict) else value):
            marks.append(BF16)
        found.append(pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=marks))
    return found
