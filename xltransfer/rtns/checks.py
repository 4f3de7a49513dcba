"""Check an RTN's output shapes and gradient path before training starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xltransfer.errors import ConfigError
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.utils.parameters import trainable

_WANTED = "forward(hidden, mask, layer) returns the change, a tensor of the shape of hidden"
_WEIGHTS = "weights(losses, labelled, hidden, mask, layer) returns factors, a tensor of the shape of losses"


def check_rtn_outputs(name: str, rtn: RTN, info: RTNInfo, kind: str = "tagging") -> str | None:
    """Evaluate `rtn` on random states at each of its layers. Returns a warning or None.

    `kind` is the task's: whether there is a loss for each token, or one a text. Raises ConfigError if `forward` or
    `weights` fails, returns anything but a tensor of the right shape, or what they return is cut off from the
    parameters that are to be trained.
    """
    warning, weights = None, rtn.mix()
    reached = weights is not None and weights.requires_grad
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden, mask = torch.randn(2, 3, info.dim), torch.tensor([[1, 1, 1], [1, 1, 0]])
        for layer in info.layers:
            change = _change(name, rtn, hidden, mask, layer)
            reached = reached or change.requires_grad
            if rtn.weighs:
                reached = _weights(name, rtn, hidden, mask, layer, kind).requires_grad or reached
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
    bound = rtn.for_batch(torch.zeros(len(hidden), dtype=torch.long))
    return _checked_output(lambda: bound(hidden.clone(), mask, layer), f"rtn {name}: {_WANTED}", hidden, "states")


def _weights(name: str, rtn: RTN, hidden: Tensor, mask: Tensor, layer: int, kind: str) -> Tensor:
    labelled = mask.bool() if kind == "tagging" else mask.bool().any(1)
    losses = torch.rand(labelled.shape) * labelled
    bound = rtn.for_batch(torch.zeros(len(hidden), dtype=torch.long))
    return _checked_output(
        lambda: bound.weights(losses, labelled, hidden.clone(), mask, layer),
        f"rtn {name}: {_WEIGHTS}",
        losses,
        "losses",
    )


def _checked_output(returned: Callable[[], Any], wanted: str, like: Tensor, what: str) -> Tensor:
    """What a plugin's function returns, if that has the shape of `like`. Raises ConfigError."""
    try:
        found = returned()
    except Exception as error:  # a plugin may raise anything
        raise ConfigError([f"{wanted}; it raised {type(error).__name__}: {error}."]) from error
    if not isinstance(found, Tensor) or found.shape != like.shape:
        received = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError([f"{wanted}; received {received} for {what} of shape {tuple(like.shape)}."])
    return found
