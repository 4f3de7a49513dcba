"""The remedies among MetaXL's options: the real optimiser's inner step, shares, normalised gradients, a late start."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.resuming import tiny
from tests.unit.test_methods import batches, distance, trained, trainee
from xltransfer.data.batching import Batch
from xltransfer.errors import BackendError
from xltransfer.methods.joint import Joint, joint_step
from xltransfer.methods.metaxl import MetaXL
from xltransfer.registry import BACKENDS
from xltransfer.rtns.identity import Identity
from xltransfer.rtns.mlp import MLP
from xltransfer.testing.models import HIDDEN
from xltransfer.testing.problems import flat, inner_gradients, random_direction, slope_of
from xltransfer.training.progress import Reporter
from xltransfer.training.run import run
from xltransfer.training.safety.guards import StepGuard
from xltransfer.utils.parameters import trainable


def released_rtn() -> MLP:
    torch.manual_seed(0)
    return MLP(HIDDEN, init="released")


def test_adams_inner_step_is_the_next_step_of_thetas_updater() -> None:
    """The meta-gradient is the query loss's slope by φ, θ' taken by the updater that trains θ; dropout is on."""
    state, method = trainee(released_rtn(), dropout=True), MetaXL(inner_step="adam")
    for step in range(3):
        method.step(state, *batches(), 100 * step)
    problem = method.problem(state, *batches(), 1000)
    meta = state.backend.step(problem, state.theta.lr)

    def loss(moved: Any) -> float:
        learner, theta = copy.deepcopy((state.learner, state.theta))
        theta.apply(inner_gradients(dataclasses.replace(moved, learner=learner)))
        return problem.meta_loss(learner).item()

    direction = random_direction(meta.meta_grads)
    found = (flat(meta.meta_grads) @ flat(direction)).item()
    assert found == pytest.approx(slope_of(loss, problem, direction), rel=1e-6)


def test_a_backend_of_a_plugin_is_never_given_an_update_it_does_not_know() -> None:
    state = dataclasses.replace(trainee(released_rtn()), backend=BACKENDS.load("higher")())
    with pytest.raises(BackendError, match="backend Higher: received an inner update by Adam; it takes SGD's alone"):
        MetaXL(inner_step="adam").step(state, *batches(), 0)


def one_language(size: int) -> Batch:
    inputs = {"input_ids": torch.arange(3 * size).view(size, 3), "attention_mask": torch.ones(size, 3)}
    return Batch(inputs, torch.ones(size, 3), torch.zeros(size))


@pytest.mark.parametrize(
    "size, share, first",
    [(16, 0.5, 8), (7, 0.5, 3), (5, 0.5, 2), (2, 0.5, 1), (10, 0.2, 2), (10, 0.26, 3), (10, 0.01, 1), (10, 0.99, 9)],
)
def test_the_share_that_is_support(size: int, share: float, first: int) -> None:
    halves = MetaXL(support_share=share)._halves(one_language(size))
    assert (len(halves.support), len(halves.query)) == (first, size - first)
    assert halves.share == pytest.approx(first / size)


def test_whatever_the_share_theta_learns_from_the_whole_batch() -> None:
    """Without dropout and RTN it is joint training."""
    uneven = MetaXL(theta_batch="whole", support_share=0.75)
    assert distance(trained(Joint(), Identity(HIDDEN)), trained(uneven, Identity(HIDDEN))) < 1e-10


@pytest.mark.parametrize("order", ["published", "released"])
def test_a_normalised_meta_gradient_is_a_direction_and_its_norm_is_logged_as_it_was(order: Any) -> None:
    start, seen = released_rtn(), {}
    for normalised in (False, True):
        state = trainee(copy.deepcopy(start))
        figures = MetaXL(order=order, normalised=normalised).step(state, *batches(), 0)
        optimizer: Any = state.phi._optimizer
        first = {name: optimizer.state[p]["exp_avg"] / 0.1 for name, p in trainable(state.rtn).items()}
        seen[normalised] = figures["meta_grad_norm"], flat(first)
    assert seen[True][0] == seen[False][0] == pytest.approx(seen[False][1].norm().item(), rel=1e-9)
    assert seen[True][0] != pytest.approx(1, rel=1e-3)
    assert seen[True][1].norm().item() == pytest.approx(1, rel=1e-12)
    torch.testing.assert_close(seen[True][1], seen[False][1] / seen[False][0], rtol=1e-9, atol=1e-15)


def test_a_meta_gradient_of_zero_stays_zero_and_a_normalised_one_is_clipped() -> None:
    state = trainee(released_rtn())
    before = copy.deepcopy(state.rtn.state_dict())
    assert (
        state.phi.apply({name: torch.zeros_like(p) for name, p in trainable(state.rtn).items()}, normalised=True) == 0
    )
    assert distance(before, state.rtn.state_dict()) == 0
    state.phi.clip = 0.5
    assert state.phi.apply({name: torch.ones_like(p) for name, p in trainable(state.rtn).items()}, normalised=True) > 1
    optimizer: Any = state.phi._optimizer
    moments = flat({name: optimizer.state[p]["exp_avg"] for name, p in trainable(state.rtn).items()})
    assert (moments / 0.1).norm().item() == pytest.approx(0.5, rel=1e-5)  # torch divides by the norm + 1e-6


def test_between_updates_of_the_rtn_theta_learns_through_it() -> None:
    """Every third: φ moves in steps 0 and 3; the others are steps of joint training through the RTN, bit for bit."""
    state, method = trainee(released_rtn(), dropout=True), MetaXL(every=3)
    for step in range(5):
        before, expected = copy.deepcopy((state.rtn.state_dict(), state))
        figures = method.step(state, *batches(), 100 * step)
        assert ("meta_loss" in figures) == (step in (0, 3)) == (distance(before, state.rtn.state_dict()) > 0)
        assert state.phi.lr == state.theta.lr
        if step not in (0, 3):
            assert joint_step(expected, *batches(), 100 * step, through_rtn=True) == figures
            assert distance(expected.learner.state_dict(), state.learner.state_dict()) == 0
    with pytest.raises(ValueError, match=r"every: received 2 with held_out 0\.5; one of them only"):
        MetaXL(every=2, held_out=0.5)


def test_steps_before_the_start_are_those_of_joint_training() -> None:
    """Two of four: θ bit for bit with dropout on, φ untouched, its schedule moved on; then MetaXL."""
    start = released_rtn()
    joint, late = (trainee(copy.deepcopy(start), dropout=True) for _ in range(2))
    method = MetaXL(start=0.5)
    for step in range(2):
        assert not method.inserts(late)
        assert method.step(late, *batches(), 100 * step) == Joint().step(joint, *batches(), 100 * step)
        assert distance(joint.learner.state_dict(), late.learner.state_dict()) == 0
        assert distance(joint.rtn.state_dict(), late.rtn.state_dict()) == 0
        assert late.phi.lr == late.theta.lr == joint.theta.lr
    assert method.inserts(late)
    assert {"inner_loss", "meta_loss", "meta_grad_norm"} <= method.step(late, *batches(), 200).keys()
    assert distance(joint.rtn.state_dict(), late.rtn.state_dict()) > 0


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_with_a_late_start_begins_as_joint_training(tmp_path: Path) -> None:
    """Losses, gradient norms and the cosine of the gradients, to the last digit, for as long as there is no RTN."""
    options = {"start": 0.5, "inner_step": "adam", "normalised": True, "support_share": 0.3}
    late = tiny(
        tmp_path / "late", method="metaxl", method_options=options, rtn_options={"init": "released"}, diagnose=1
    )
    result = run(late)
    run(tiny(tmp_path / "joint", method="joint", diagnose=1))
    assert result.metrics["steps"] == 6
    steps, of_joint = ([line for line in lines(tmp_path / name) if "lr" in line] for name in ("late", "joint"))
    for ours, theirs in zip(steps[:3], of_joint[:3], strict=True):
        assert _plain(ours) == _plain(theirs)
    for line in steps[3:]:
        assert {"inner_loss", "meta_loss", "meta_grad_norm", "update_ratio", "gradient_cosine"} <= line.keys()
    assert [line["meta_lr"] / line["lr"] for line in steps] == pytest.approx([steps[0]["meta_lr"] / steps[0]["lr"]] * 6)


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    """Without the time of the step, and φ's learning rate, which no step of joint training moves on."""
    return {name: value for name, value in line.items() if name not in ("seconds", "meta_lr")}


def test_a_zero_gradient_is_told_at_the_first_step_with_an_rtn(tmp_path: Path) -> None:
    class Heard(Reporter):
        warnings: list[str] = []  # noqa: RUF012

        def warn(self, message: str) -> None:
            self.warnings.append(message)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MLP, "forward", lambda self, hidden, mask, layer: 0 * self.down.weight.sum() * hidden)
        run(tiny(tmp_path / "run", method="metaxl", method_options={"start": 0.5}, meta_lr=0), Heard())
    (zero,) = [warning for warning in Heard.warnings if "its gradient is zero at its first step" in warning]
    (still,) = [warning for warning in Heard.warnings if "keeps its initial parameters" in warning]
    told = [line["step"] for line in lines(tmp_path / "run") if line.get("warning") in (zero, still)]
    assert told == [4, 4]


def test_guards_see_no_norm_where_there_is_no_meta_gradient(tmp_path: Path) -> None:
    seen: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepGuard, "_check_norm", lambda self, draw, norm: seen.append(draw.step))
        run(tiny(tmp_path / "run", method="metaxl", method_options={"start": 0.7}))
    assert seen == [6]  # 4 of 6 steps are less than 0.7, 5 are more


@pytest.mark.parametrize(
    "options, told",
    [
        ({"support_share": 0.0}, "support_share: received 0.0; allowed: a number between 0 and 1"),
        ({"support_share": 1.0}, "support_share: received 1.0"),
        ({"start": 1.0}, "start: received 1.0; allowed: 0 or more, and less than 1"),
        ({"start": -0.1}, "start: received -0.1"),
    ],
)
def test_impossible_shares(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MetaXL(**options)


def test_without_parameters_there_is_an_update_too() -> None:
    state = trainee(MLP(HIDDEN))
    state.learner.requires_grad_(False)
    empty: dict[str, Tensor] = {}
    updater = type(state.theta)(state.learner, optimizer="adamw", lr=1, weight_decay=0, warmup=0, clip=0, total_steps=1)
    assert updater.inner_update().direction(empty) == {}
