"""What authors of parts get wrong, and what they are told: exit status 2, one line, no run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from xltransfer.cli.main import status_of

SHORT = ["--epochs", "1", "--source-size", "8", "--target-size", "8", "--data-opt", "train=10", "--data-opt", "dev=4",
         "--data-opt", "test=4", "--quiet"]  # fmt: skip
pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
RTN = """
import torch
from xltransfer import RTN, register_rtn
@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim{options}):
        super().__init__()
        self.project = torch.nn.Linear(dim, dim)
    def forward(self, {arguments}):
        {body}
"""
BACKEND = """
import dataclasses
from xltransfer import Backend, register_backend
from xltransfer.backends.func import Func
@register_backend("mine")
class Mine(Backend):
    {body}
"""


def rtn(body: str, arguments: str = "hidden, mask, layer", options: str = "") -> str:
    Path("mine.py").write_text(RTN.format(body=body, arguments=arguments, options=options))
    return "rtn"


def backend(body: str) -> str:
    Path("mine.py").write_text(BACKEND.format(body=body))
    return "backend"


def told(kind: str, capsys: Capture, *more: str) -> str:
    status = status_of(["run", *SHORT, "--plugin", "mine.py", f"--{kind}", "mine", *more, "--output", "run"])
    message = capsys.readouterr().err
    assert status == 2, message
    assert not Path("run").exists()
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    "body, arguments, expected",
    [
        ("return hidden[:, :, :1]", "hidden, mask, layer", "received shape (2, 3, 1) for states of shape (2, 3, 128)"),
        ("self.project(hidden)", "hidden, mask, layer", "received NoneType"),
        ("return self.project(hidden)", "hidden", "raised TypeError"),
        ("raise IndexError('five')", "hidden, mask, layer", "raised IndexError: five"),
    ],
)
def test_forward(body: str, arguments: str, expected: str, capsys: Capture) -> None:
    message = told(rtn(body, arguments), capsys)
    assert "rtn mine: forward(hidden, mask, layer) returns the change" in message
    assert expected in message


WEIGHTS = """
    def weights(self, losses, labelled, hidden, mask, layer):
        {body}
"""


@pytest.mark.parametrize(
    "task, body, expected",
    [
        ("ner", "return losses.sum(1)", "received shape (2,) for losses of shape (2, 3)"),
        ("sentiment", "return labelled", "received shape (2, 2)"),
        ("ner", "raise IndexError('five')", "it raised IndexError: five"),
        ("ner", "pass", "received NoneType for losses of shape (2, 3)"),
    ],
)
def test_weights(task: str, body: str, expected: str, capsys: Capture) -> None:
    body = body.replace("labelled", "torch.ones(2, 2)")
    rtn("return self.project(hidden)")
    with Path("mine.py").open("a") as file:
        file.write(WEIGHTS.format(body=body))
    message = told("rtn", capsys, "--task", task)
    assert "rtn mine: weights(losses, labelled, hidden, mask, layer) returns factors" in message
    assert expected in message


def test_weights_that_no_gradient_reaches(capsys: Capture) -> None:
    rtn("return torch.zeros_like(hidden)")
    with Path("mine.py").open("a") as file:
        file.write(WEIGHTS.format(body="return torch.ones_like(losses)"))
    assert "no gradient can reach its 2 trained parameters" in told("rtn", capsys)


TASK = """
from xltransfer import register_task
from xltransfer.tasks.base import cross_entropy
from xltransfer.tasks.ner import NER
@register_task("mine")
class Mine(NER):
    def loss(self, logits, labels):
        return cross_entropy(logits.flatten(0, 1), labels.flatten())
"""


@pytest.mark.slow
@pytest.mark.parametrize("weighing", [["--rtn", "weights"], ["--rtn", "per-language", "--rtn-opt", "inner=weights"]])
def test_a_task_that_has_only_a_loss(weighing: list[str], capsys: Capture) -> None:
    Path("mine.py").write_text(TASK)
    message = told("task", capsys, *weighing)
    assert f"task mine: rtn {weighing[1]} weighs source losses" in message
    assert "its class Mine lacks losses(logits, labels) beside its loss" in message
    assert status_of(["run", *SHORT, "--plugin", "mine.py", "--task", "mine", "--output", "run"]) == 0


@pytest.mark.slow
def test_doubtful_changes_are_warned_of(capsys: Capture) -> None:
    rtn("return hidden + 0.01 * self.project(hidden)")
    assert status_of(["run", *SHORT, "--plugin", "mine.py", "--rtn", "mine", "--output", "run"]) == 0
    assert "nearly the hidden states themselves" in capsys.readouterr().err


def test_options_that_are_not_keyword_only(capsys: Capture) -> None:
    message = told(rtn("return hidden", options=", width=3"), capsys, "--rtn-opt", "width=4")
    assert "Options are keyword-only: write it after *" in message


def test_the_type_of_an_option_follows_from_its_default(capsys: Capture) -> None:
    message = told(rtn("return hidden", options=", *, width=3.0"), capsys, "--rtn-opt", "width=wide")
    assert "option width received 'wide'; allowed: a number" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    "body, expected",
    [
        ("def step(self, problem, inner_lr): pass", "step returned NoneType; a MetaStep is needed"),
        ("pass", "backend mine: cannot be built: TypeError"),
        (
            "def step(self, problem, lr): return dataclasses.replace(Func().step(problem, lr), meta_grads={})",
            "meta_grads must name every trainable parameter and no other; wrong: down.bias",
        ),
    ],
)
def test_backends(body: str, expected: str, capsys: Capture) -> None:
    assert expected in told(backend(body), capsys)


def test_a_class_of_the_wrong_kind(capsys: Capture) -> None:
    Path("mine.py").write_text("from xltransfer import register_rtn\n@register_rtn('mine')\nclass Mine: pass\n")
    assert "Mine does not derive from RTN" in told("rtn", capsys)


def test_a_file_that_registers_nothing(capsys: Capture) -> None:
    Path("mine.py").write_text("import torch\n")
    assert "mine.py' registers nothing" in told("rtn", capsys)


def test_a_name_that_only_a_forgotten_file_knows(capsys: Capture) -> None:
    assert status_of(["run", "--rtn", "mine"]) == 2
    assert "One in a file of your own: --plugin FILE." in capsys.readouterr().err


def test_ls_shows_parts_that_cannot_be_built_at_their_defaults(capsys: Capture) -> None:
    rtn("return hidden", options=", *, width: int")
    assert status_of(["ls", "rtns", "-v", "--plugin", "mine.py"]) == 0
    shown = capsys.readouterr().out
    assert "size not known with default options (TypeError" in shown
    assert "transformer" in shown
    assert status_of(["ls"]) == 2
    assert "allowed: backends, datasets" in capsys.readouterr().err
