"""A first look at an RTN before anything is loaded or written: does it give a change at all?"""

from __future__ import annotations

import torch
from torch import Tensor

from xltransfer.backends.base import trainable
from xltransfer.errors import ConfigError
from xltransfer.rtns.base import RTN, RTNInfo

_WANTED = "forward(hidden, mask, layer) returns the change, a tensor of the shape of hidden"


def try_rtn(name: str, rtn: RTN, info: RTNInfo) -> str | None:
    """Evaluate `rtn` on random states at each of its layers. Returns a warning, if there is cause for one.

    Raises ConfigError if `forward` fails, returns anything but a tensor of the shape of the states, or cuts what it
    returns off from the parameters that are to be trained.
    """
    warning, weights = None, rtn.mix()
    reached = weights is not None and weights.requires_grad
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden, mask = torch.randn(2, 3, info.dim), torch.tensor([[1, 1, 1], [1, 1, 0]])
        for layer in info.layers:
            change = _change(name, rtn, hidden, mask, layer)
            reached = reached or change.requires_grad
            if torch.cosine_similarity(change.flatten(), hidden.flatten(), 0) > 0.9:
                warning = (f"rtn {name}: what it returns is nearly the hidden states themselves; forward returns the "
                           "change that is added to them.")  # fmt: skip
    if (parameters := trainable(rtn)) and not reached:
        raise ConfigError([
            f"rtn {name}: no gradient can reach its {len(parameters)} trained parameters ({', '.join(parameters)}), so "
            "that it would learn nothing: what forward returns is detached (detach, no_grad, .data, a new tensor), or "
            "computed without them. Return the change as computed; parameters that are to stay as they are: "
            "requires_grad_(False)."
        ])  # fmt: skip
    return warning


def _change(name: str, rtn: RTN, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
    try:
        change = rtn.for_batch(torch.zeros(len(hidden), dtype=torch.long))(hidden.clone(), mask, layer)
    except Exception as error:  # a plugin may raise anything
        raise ConfigError([f"rtn {name}: {_WANTED}; it raised {type(error).__name__}: {error}."]) from error
    if not isinstance(change, Tensor) or change.shape != hidden.shape:
        found = f"shape {tuple(change.shape)}" if isinstance(change, Tensor) else type(change).__name__
        raise ConfigError([f"rtn {name}: {_WANTED}; received {found} for states of shape {tuple(hidden.shape)}."])
    return change
