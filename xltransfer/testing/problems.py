"""Bilevel problems in float64 for tests."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.models import HIDDEN, LABELS, VOCABULARY, small_model
from xltransfer.backends.base import BilevelProblem
from xltransfer.encoders.learner import Learner
from xltransfer.registry import RTNS
from xltransfer.rtns.base import RTN, RTNInfo

Inputs = dict[str, Tensor]


def small_inputs(batch: int = 3, time: int = 7) -> Inputs:
    """Token ids with one padded row; the padding id is 1."""
    ids = torch.randint(3, VOCABULARY, (batch, time))
    mask = torch.ones_like(ids)
    ids[0, time - 3 :] = 1
    mask[0, time - 3 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def small_rtn(name: str, layers: tuple[int, ...], model: torch.nn.Module, **options: object) -> RTN:
    """A registered RTN in float64, its parameters moved away from their start so that all have a gradient."""
    info = RTNInfo(HIDDEN, layers, ("a", "b"), model.config)
    rtn: RTN = RTNS.load(name).build(info, **options).double()
    with torch.no_grad():
        for parameter in rtn.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return rtn


def small_problem(
    rtn: str = "mlp",
    layers: tuple[int, ...] = (1,),
    model_type: str = "xlm-roberta",
    auto: str = "Token",
    **options: object,
) -> BilevelProblem:
    """Source, support and query losses of random batches; dropout is on."""
    torch.manual_seed(5)
    model = small_model(model_type, f"AutoModelFor{auto}Classification").double()
    learner = Learner(model, layers)
    source, support, query = small_inputs(), small_inputs(), small_inputs()
    labels = torch.randint(0, LABELS, (3, 7) if auto == "Token" else (3,))

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())

    return BilevelProblem(
        learner,
        small_rtn(rtn, layers, model, **options),
        inner=lambda theta, phi: loss(theta(source, phi)),
        support=lambda theta: loss(theta(support)),
        query=lambda theta: loss(theta(query)),
        seed=17,
    )
