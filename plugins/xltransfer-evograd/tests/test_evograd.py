"""The plugin holds xltransfer's contract, and estimates the meta-gradient without bias."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from xltransfer_evograd import EvoGrad

from xltransfer.backends.base import BilevelProblem
from xltransfer.cli.main import status_of
from xltransfer.registry import BACKENDS
from xltransfer.testing import check_backend
from xltransfer.testing.backend_checks import Scalar

THETA, PHI, ETA = 0.7, -0.4, 0.01


def toy(seed: int) -> BilevelProblem:
    """L_s = (θ − φ)²/2, L_support = θ²/2, L_query = (θ' − 1)²/2."""
    return BilevelProblem(
        Scalar(THETA),
        Scalar(PHI),
        inner=lambda learner, rtn: (learner() - rtn()) ** 2 / 2,
        support=lambda learner: learner() ** 2 / 2,
        query=lambda learner: (learner() - 1) ** 2 / 2,
        seed=seed,
    )


def test_contract() -> None:
    assert check_backend(EvoGrad) > 0


def test_found_by_its_entry_point() -> None:
    assert BACKENDS.load("evograd") is EvoGrad
    assert {entry.name: entry.origin for entry in BACKENDS.entries()}["evograd"] == "xltransfer-evograd"


def test_mean_is_the_meta_gradient_in_closed_form() -> None:
    """Over 400 draws, whose standard deviation is about half the mean; v is taken at θ*, here nearly θ."""
    backend = EvoGrad(candidates=8, sigma=0.002)
    drawn = [backend.step(toy(4 * seed), ETA).meta_grads["value"].item() for seed in range(400)]
    exact = ETA * (THETA - 1)
    assert sum(drawn) / len(drawn) == pytest.approx(exact, rel=0.08)


def test_softmax_derivative_against_autograd() -> None:
    """The paper's formula written out with autograd through the weights."""
    backend, problem = EvoGrad(candidates=3, sigma=0.05, rescale=False), toy(0)
    offsets = [offset["value"] for offset in backend._offsets(dict(problem.learner.named_parameters()), 0)]
    phi = torch.tensor(PHI, dtype=torch.float64, requires_grad=True)
    models = torch.stack([THETA + offset for offset in offsets])
    weights = torch.softmax(-(((models - phi) ** 2 + models**2) / 2) / 0.05, 0)
    (wanted,) = torch.autograd.grad((((weights * models).sum() - 1) ** 2) / 2, phi)
    assert backend.step(problem, ETA).meta_grads["value"].item() == pytest.approx(wanted.item(), rel=1e-12)


def test_other_seed_other_candidates() -> None:
    problem = toy(0)
    one, other = (EvoGrad().step(dataclasses.replace(problem, seed=seed), ETA).meta_grads["value"] for seed in (0, 4))
    assert one != other


def test_runs_with_fused_attention(tmp_path: Path) -> None:
    short = ["--epochs", "1", "--source-size", "16", "--target-size", "8", "--data-opt", "train=20",
             "--data-opt", "dev=10", "--data-opt", "test=10", "--attention", "sdpa"]  # fmt: skip
    assert status_of(["run", "--backend", "evograd", "--quiet", "--output", str(tmp_path / "run"), *short]) == 0
