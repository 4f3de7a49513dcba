"""Each guard against numbers that go wrong fires on the real fault, and says what a user needs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.tiers import first_quick
from tests.unit.test_methods import batches, trainee
from xltransfer.cli.main import status_of
from xltransfer.errors import ConfigError, NonFiniteError
from xltransfer.methods.base import Trainee
from xltransfer.methods.metaxl import MetaXL
from xltransfer.rtns.mlp import MLP
from xltransfer.testing.models import HIDDEN
from xltransfer.training.replay import replay
from xltransfer.training.safety.failed_step import StepInputs
from xltransfer.training.safety.guards import StepGuard

SHORT = ["--epochs", "1", "--source-size", "32", "--target-size", "4", "--batch-size", "4", "--data-opt", "train=40",
         "--data-opt", "dev=4", "--data-opt", "test=4", "--quiet", "--output", "run"]  # fmt: skip
pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
RTN = """
import torch
from xltransfer import RTN, register_rtn

@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim):
        super().__init__()
        self.project = torch.nn.Linear(dim, dim)
        torch.nn.init.normal_(self.project.weight, std=0.01)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
    def forward(self, hidden, mask, layer):
        {count}
        change = self.project(hidden)
        {body}
"""
COUNT = "self.calls += self.training and torch.is_grad_enabled()"
NAN_AT_7 = "return change * (float('nan') if self.calls == 8 else 1.0)  # the first call is the trial before training"


def rtn(body: str, count: str = COUNT) -> list[str]:
    Path("mine.py").write_text(RTN.format(body=body, count=count))
    return ["run", *SHORT, "--plugin", "mine.py", "--rtn", "mine"]


def log() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]


def test_nan_at_step_7_stops_with_all_that_is_needed_to_see_why(capsys: Capture) -> None:
    assert status_of(rtn(NAN_AT_7)) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("xlt: error: step 7 (epoch 1): not finite: inner loss, meta loss, meta grad norm, grad "
                              "norm (inner loss nan, meta loss nan, meta grad norm nan, grad norm nan).")  # fmt: skip
    assert "No parameter was updated." in message
    assert re.search(r"Source sentences: base.train:\d+(, base.train:\d+){3}; target sentences: far.train:\d+", message)
    assert "The state before the step is in run/failure; xltransfer.training.replay repeats it." in message
    assert "Try a lower --lr (now 0.001), a lower --meta-lr (now 0.001), a lower --clip (now 10)" in message
    assert "--skip-nonfinite N skips up to N such steps." in message
    assert not Path("run/metrics.json").exists()


@pytest.mark.parametrize("options", first_quick([
    *(["--method-opt", option] for option in ("order=published", "order=released", "inner_step=adam", "start=0.6")),
    ["--source", "base", "--source", "near", "--mixing", "bandit"],
]))  # fmt: skip
def test_the_state_that_is_kept_repeats_the_step(options: list[str]) -> None:
    """With `released`, θ's gradient is at the φ that φ's own moments lead to; with `adam`, φ's is by θ's moments."""
    arguments = [*rtn("return change"), *options]
    assert status_of(arguments) == 0
    logged = {line["step"]: line for line in log()}
    step = StepGuard.step

    def failing(self: StepGuard, trainee: Trainee, draw: StepInputs, *batches: Any) -> dict[str, float]:
        if draw.step == 5:
            self._skip_or_stop(trainee, draw, NonFiniteError({"grad_norm": float("nan")}))
        return step(self, trainee, draw, *batches)

    shutil.rmtree("run")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepGuard, "step", failing)
        assert status_of(arguments) == 2
    figures = replay("run", ["mine.py"])
    assert figures == {name: logged[5][name] for name in figures}


def test_nothing_to_replay() -> None:
    with pytest.raises(ConfigError, match="holds no readable failed step"):
        replay("nowhere")


@pytest.mark.slow
def test_the_state_that_is_kept_repeats_the_fault(capsys: Capture) -> None:
    assert status_of(rtn(NAN_AT_7)) == 2
    described = json.loads(Path("run/failure/step.json").read_text())
    assert described["step"] == 7
    assert described["ids"]["source"][0] in capsys.readouterr().err
    figures = replay("run", ["mine.py"])
    assert {name: str(value) for name, value in figures.items()} == described["figures"]
    safetensors.torch.save_file(
        {**safetensors.torch.load_file("run/failure/phi.safetensors"), "calls": torch.tensor(2)},
        "run/failure/phi.safetensors",
    )
    assert all(value == value for value in replay("run", ["mine.py"]).values())  # the plugin's fault, not the batch's


def test_a_step_may_be_skipped_and_then_changes_nothing(capsys: Capture) -> None:
    counted_apart = "self.forwards = getattr(self, 'forwards', 0) + 1"  # a buffer would be put back with the step
    nan_at_7 = NAN_AT_7.replace("calls", "forwards")
    assert status_of([*rtn(nan_at_7, counted_apart), "--skip-nonfinite", "1", "--diagnose", "0"]) == 0
    assert "step 7 (epoch 1): not finite" in capsys.readouterr().err
    assert json.loads(Path("run/metrics.json").read_text())["meta"]["skipped_steps"] == 1
    lines = log()
    assert [line["step"] for line in lines if "skipped" in line] == [7]
    assert "skipped, 1 of 1" in str(next(line["warning"] for line in lines if "warning" in line))
    assert [line["step"] for line in lines if "inner_loss" in line] == [1, 2, 3, 4, 5, 6, 8]


@pytest.mark.slow
def test_no_more_steps_are_skipped_than_allowed(capsys: Capture) -> None:
    nan_from_7 = "return change * (float('nan') if self.calls >= 8 else 1.0)"
    assert status_of([*rtn(nan_from_7, "self.calls += 1"), "--skip-nonfinite", "1"]) == 2
    assert "step 8 (epoch 1): not finite" in (told := capsys.readouterr().err)
    assert "1 such steps were skipped before" in told


def test_a_detached_rtn_is_refused_before_training(capsys: Capture) -> None:
    assert status_of(rtn("return change.detach()")) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(
        "xlt: error: rtn mine: no gradient can reach its 2 trained parameters (project.weight, project.bias), so that "
        "it would learn nothing: what forward returns is detached (detach, no_grad, .data, a new tensor), or computed "
        "without them."
    )
    assert not Path("run").exists()


def test_an_rtn_whose_gradient_is_zero_is_named_at_the_first_step(capsys: Capture) -> None:
    assert status_of(rtn("return 0 * change")) == 0
    assert (
        "warning: rtn mine: its gradient is zero at its first step, so it cannot learn. Either the output of forward "
        "does not depend on its parameters (they are multiplied by 0, or the activation after them is saturated)"
    ) in capsys.readouterr().err


@pytest.mark.slow
def test_an_inner_learning_rate_of_zero_is_the_reason_given(capsys: Capture) -> None:
    assert status_of([*rtn("return change"), "--lr", "1e-44"]) == 2
    assert "lr: received 1e-44; allowed: a number above 1.2e-38, below which fp32 holds 0" in capsys.readouterr().err
    assert status_of([*rtn("return change"), "--lr", "2e-38", "--warmup", "1", "--method-opt", "free_of_lr=no"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert "lr: it is 2.5e-39 at the RTN's first step, which is 0 in fp32, and with it the meta-gradient" in message
    assert not Path("run").exists()


@pytest.mark.slow
def test_an_exploding_meta_gradient_is_said_once(capsys: Capture) -> None:
    body = "return change * (1e-3 if self.calls <= 21 else 1e5)"
    arguments = rtn(body)
    arguments[arguments.index("32")] = "100"
    arguments[arguments.index("train=40")] = "train=120"
    assert status_of([*arguments, "--meta-lr", "0", "--lr", "1e-5"]) == 0
    told = capsys.readouterr().err
    assert "warning: meta_lr: it is 0, so rtn mine keeps its initial parameters" in told
    assert told.count("times the median of the last") == 1
    assert "it is clipped to 10" in told


def test_outputs_that_are_not_finite_are_no_predictions(capsys: Capture) -> None:
    """The last step's update goes wrong: no further step would notice."""
    arguments = [*SHORT, "--method", "joint", "--source-size", "4", "--lr", "1e30", "--clip", "0"]
    assert status_of(["run", *arguments]) == 2
    assert "model: its outputs are NaN or infinite, so it cannot predict" in capsys.readouterr().err
    assert not Path("run").exists()


@pytest.mark.parametrize("order", ["published", "released"])
def test_a_step_that_fails_leaves_parameters_and_moments_alone(order: str) -> None:
    """A gradient of θ alone that is not finite: φ must not be ahead of it."""
    state = trainee(MLP(HIDDEN))
    method = MetaXL(order=order)  # type: ignore[arg-type]
    method.step(state, *batches(), 0)

    def everything() -> list[torch.Tensor]:
        parts = [*state.learner.state_dict().values(), *state.rtn.state_dict().values()]
        for updater in (state.theta, state.phi):
            assert updater._optimizer is not None
            parts += [v for one in updater._optimizer.state.values() for v in one.values()]
        return [part.clone() for part in parts]

    before, rates = everything(), (state.theta.lr, state.phi.lr)
    norm = state.theta.norm
    state.theta.norm = lambda gradients: norm(gradients) * float("inf")  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match="not finite: grad norm"):
        method.step(state, *batches(), 4)
    assert all(torch.equal(one, other) for one, other in zip(before, everything(), strict=True))
    assert rates == (state.theta.lr, state.phi.lr)
