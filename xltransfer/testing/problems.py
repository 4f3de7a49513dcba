"""Small bilevel problems with a real encoder, and brute-force references for their meta-gradients."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from xltransfer.backends.base import BilevelProblem
from xltransfer.data.batching import IGNORED
from xltransfer.encoders.learner import Learner, source_loss
from xltransfer.registry import RTNS
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.testing.models import HIDDEN, LABELS, VOCABULARY, small_model
from xltransfer.utils.parameters import Gradients, named_gradients, trainable

INNER_LR = 0.1


def small_inputs(batch: int = 3, time: int = 7) -> dict[str, Tensor]:
    """Token ids with one padded row; the padding id is 1."""
    ids = torch.randint(3, VOCABULARY, (batch, time))
    mask = torch.ones_like(ids)
    ids[0, time - 3 :] = 1
    mask[0, time - 3 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def small_rtn(rtn: str | type[RTN], layers: tuple[int, ...], model: Any, **options: object) -> RTN:
    """A registered RTN or a class, in float64, its parameters moved away from their start so that all have a gradient.

    It is bound to batches of three rows in two source languages.
    """
    info = RTNInfo(HIDDEN, layers, ("a", "b"), model.config)
    built: RTN = (RTNS.load(rtn) if isinstance(rtn, str) else rtn).build(info, **options).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return built


def small_problem(
    rtn: str | type[RTN] = "mlp",
    layers: tuple[int, ...] = (1,),
    model_type: str = "xlm-roberta",
    auto: str = "Token",
    dtype: torch.dtype = torch.float64,
    rtn_options: Mapping[str, object] | None = None,
) -> BilevelProblem:
    """Source, support and query losses of random batches of three; dropout is on. The source has two languages."""
    torch.manual_seed(5)
    model = small_model(model_type, f"AutoModelFor{auto}Classification").to(dtype)
    learner = Learner(model, layers)
    source, support, query = small_inputs(), small_inputs(), small_inputs()
    labels = torch.randint(0, LABELS, (3, 7) if auto == "Token" else (3,))
    if auto == "Token":  # each sentence has another number of labels
        labels[0, -3:] = labels[1, 1::3] = IGNORED

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())

    def losses(logits: Tensor) -> tuple[Tensor, Tensor]:
        found = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
        return found.view(labels.shape), labels != IGNORED

    return BilevelProblem(
        learner,
        small_rtn(rtn, layers, model, **(rtn_options or {})).for_batch(torch.tensor([0, 1, 0])).to(dtype),
        inner=lambda theta, phi: source_loss(theta, phi, source, loss, losses),
        support=lambda theta: loss(theta(support)),
        query=lambda theta: loss(theta(query)),
        seed=17,
    )


def flat(gradients: Gradients) -> Tensor:
    """Concatenate all entries into one vector."""
    return torch.cat([gradient.flatten() for gradient in gradients.values()]) if gradients else torch.zeros(0)


def random_direction(gradients: Gradients) -> Gradients:
    """Return a fixed direction along which the slope is not small."""
    generator = torch.Generator().manual_seed(3)
    norm = flat(gradients).norm()
    return {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype) + 3 * value / norm
        for name, value in gradients.items()
    }


def relative_error(found: Gradients, wanted: Gradients) -> float:
    """Norm of the difference over the norm of `wanted`; 0 where both vanish."""
    difference, size = float((flat(found) - flat(wanted)).norm()), float(flat(wanted).norm())
    return difference if size == 0 else difference / size


def inner_gradients(problem: BilevelProblem) -> Gradients:
    """∇_θ [L_s + L_support] by one plain backward pass."""
    theta = trainable(problem.learner)
    loss = problem.inner_loss(problem.learner, problem.rtn) + problem.support_loss(problem.learner)
    return named_gradients(theta, torch.autograd.grad(loss, list(theta.values()), allow_unused=True))


def meta_loss_after(problem: BilevelProblem, inner_steps: int, inner_lr: float = INNER_LR) -> Tensor:
    """L_query after the inner steps, taken on a copy of the learner: nothing is differentiated through a step."""
    stepped = copy.deepcopy(problem.learner)
    for _ in range(inner_steps):
        gradients = inner_gradients(dataclasses.replace(problem, learner=stepped))
        with torch.no_grad():
            for name, parameter in trainable(stepped).items():
                parameter.sub_(inner_lr * gradients[name])
    with torch.no_grad():
        return problem.meta_loss(stepped)


def brute_force_slope(
    problem: BilevelProblem, direction: Gradients, inner_steps: int = 1, width: float = 1e-3
) -> float:
    """d/dt L_query(θ'(φ + t · direction)) by central differences, extrapolated once (Richardson)."""
    return slope_of(lambda moved: meta_loss_after(moved, inner_steps).item(), problem, direction, width)


def slope_of(
    loss: Callable[[BilevelProblem], float], problem: BilevelProblem, direction: Gradients, width: float = 1e-3
) -> float:
    """d/dt of a loss of the problem at φ + t · direction, by central differences, extrapolated once (Richardson)."""

    def difference(step: float) -> float:
        ends = []
        for sign in (1, -1):
            moved = copy.deepcopy(problem.rtn)
            with torch.no_grad():
                for name, parameter in trainable(moved).items():
                    parameter.add_(sign * step * direction[name])
            ends.append(loss(dataclasses.replace(problem, rtn=moved)))
        return (ends[0] - ends[1]) / (2 * step)

    return (4 * difference(width / 2) - difference(width)) / 3
