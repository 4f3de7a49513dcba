"""Save and restore the global random states of Python, NumPy and torch (CPU and all GPUs).

Built-in components use seeds of their own (see `xltransfer.utils.seeding`); plugins may use the global state.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return torch's states as tensors, and those of Python and NumPy as JSON values."""
    tensors = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    version, words, gauss = random.getstate()
    drawn = np.random.get_state(legacy=False)
    assert isinstance(drawn, dict)
    numpy_state = {**drawn, "state": {**drawn["state"], "key": drawn["state"]["key"].tolist()}}
    return tensors, {"python": [version, list(words), gauss], "numpy": numpy_state}


def set_random_state(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Restore what `random_state` returned; states of GPUs that this machine lacks are ignored."""
    version, words, gauss = values["python"]
    random.setstate((version, tuple(words), gauss))
    inner = values["numpy"]["state"]
    np.random.set_state({**values["numpy"], "state": {**inner, "key": np.array(inner["key"], dtype=np.uint32)}})
    torch.set_rng_state(tensors["cpu"])
    for number in range(torch.cuda.device_count()):
        if (state := tensors.get(f"cuda.{number}")) is not None:
            torch.cuda.set_rng_state(state, number)
