"""Runs whose source languages a bandit draws: what they log, what they leave, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import SHORT, SYNTHETIC, refused
from tests.resuming import FAULTY, Signalled, tiny
from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.errors import Interrupted
from xltransfer.testing.runs import outcome
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run import resume, run
from xltransfer.training.state import TrainingState

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
TWO: dict[str, Any] = {"method": "metaxl", "source": ["base", "near"], "source_size": 20, "batch_size": 4}
BANDIT = {**TWO, "mixing": "bandit"}
COMMAND = [*SHORT, *SYNTHETIC, "--source", "base", "--source", "near", "--mixing", "bandit"]
ORDINARY = """
import dataclasses
from xltransfer import register_backend
from xltransfer.backends.func import Func

@register_backend("mine")
class Mine(Func):
    def step(self, problem, inner_lr):
        return dataclasses.replace(super().step(problem, inner_lr), query_grads=None)
"""


def logged(run_dir: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Path(run_dir, "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "lr" in line]


def test_what_was_drawn_is_in_the_log_and_in_the_metrics() -> None:
    metrics = run(tiny(Path("run"), **BANDIT)).metrics
    lines = logged("run")
    assert len(lines) == metrics["steps"] == 20
    counts = Counter(line["source"] for line in lines)
    assert metrics["meta"]["mixture"] == {language: counts[language] / 20 for language in ("base", "near")}
    assert all(-1 <= line["usefulness"] <= 1 for line in lines)
    assert lines[0]["mixture"] == {"base": 0.5, "near": 0.5}
    assert lines[-1]["mixture"] != lines[0]["mixture"]
    assert all(sum(line["mixture"].values()) == pytest.approx(1, abs=2e-6) for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("mixing", ["per-language", "concatenated"])
def test_other_mixings_log_the_language_of_a_batch_that_has_one(mixing: str) -> None:
    metrics = run(tiny(Path("run"), **{**TWO, "mixing": mixing})).metrics
    lines = logged("run")
    assert all("source" in line for line in lines) == (mixing == "per-language")
    assert all("usefulness" in line and "mixture" not in line for line in lines)
    assert metrics["meta"]["mixture"] is None


def test_one_source_has_nothing_to_choose() -> None:
    assert run(tiny(Path("run"), method="metaxl", mixing="bandit")).metrics["meta"]["mixture"] == {"base": 1.0}


@pytest.mark.slow
def test_a_step_passed_over_has_no_reward_and_a_resumed_run_ends_the_same() -> None:
    Path("mine.py").write_text(FAULTY)
    changes = {**BANDIT, "rtn": "mine", "plugin": ["mine.py"], "skip_nonfinite": 20}
    whole = run(tiny(Path("whole"), **changes))
    assert 0 < whole.metrics["meta"]["skipped_steps"] < 20
    with pytest.raises(Interrupted):
        run(tiny(Path("run"), **changes), Signalled(13))
    kept = json.loads(Path("run/checkpoint/step-0000013/state.json").read_text())
    assert len(kept["order"]["history"]) == 13 - kept["watched"]["skipped"]
    assert sum(kept["order"]["drawn"]) == 13
    resume("run", RunConfig.from_yaml("run/config.yaml", {"plugin": ("mine.py",)}))
    assert outcome(Path("run")) == outcome(Path("whole"))
    for line, after in pairwise(logged("run")):
        assert after["mixture"] == line["mixture"] or "skipped" not in line


@pytest.mark.slow
def test_before_the_rtn_comes_in_languages_are_drawn_evenly() -> None:
    run(tiny(Path("run"), **BANDIT, method_options={"start": 0.5}))
    lines = logged("run")
    assert ["usefulness" in line for line in lines] == [False] * 10 + [True] * 10
    assert all(line["mixture"] == {"base": 0.5, "near": 0.5} for line in lines[:11])
    assert lines[-1]["mixture"] != lines[0]["mixture"]


def test_what_was_learned_is_part_of_a_state() -> None:
    state = TrainingState(prepare(tiny(Path("run"), **BANDIT), Reporter()))
    for step in range(9):
        state.order.rows(step)
        state.order.reward(0.1 * step)
    saved, wanted = state.snapshot(), state.order.state()
    fresh = TrainingState(prepare(tiny(Path("run"), **BANDIT), Reporter()))
    fresh.load(type(saved)(saved.tensors, json.loads(json.dumps(saved.values))))
    assert fresh.order.state() == wanted
    assert [fresh.order.rows(step) for step in range(9, 30)] == [state.order.rows(step) for step in range(9, 30)]


def test_the_command_says_how_often_each_was_drawn(capsys: Capture) -> None:
    assert status_of([*COMMAND, "--output", "run"]) == 0
    shares = json.loads(Path("run/metrics.json").read_text())["meta"]["mixture"]
    told = f"source batches: base {100 * shares['base']:.1f} %, near {100 * shares['near']:.1f} % of 4\n"
    assert told in capsys.readouterr().out
    assert status_of(["report", "run"]) == 0
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert page.count("Mixture of source languages over steps; the data are in the table below.") == 1


def test_what_cannot_be_is_refused_in_one_line(capsys: Capture) -> None:
    refused(capsys, [*COMMAND, "--method", "joint"], "mixing: 'bandit' rewards", "method joint has none", "metaxl")
    refused(capsys, [*COMMAND, "--bucket", "yes"], "bucket: yes", "drop one")
    refused(capsys, [*COMMAND, "--exploration", "0"], "exploration: received 0.0; allowed: a share above 0, up to 1.")
    Path("mine.py").write_text(ORDINARY)
    refused(capsys, [*COMMAND, "--plugin", "mine.py", "--backend", "mine", "--output", "run"],
            "backend mine does not return (MetaStep.query_grads)", "such as func")  # fmt: skip
    assert not Path("run").exists()
