"""Target sentences for the query alone, and steps at the end in which θ learns from all with the RTN as it is."""

from __future__ import annotations

import copy
import dataclasses
import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.resuming import tiny
from tests.unit.test_metaxl_options import released_rtn
from tests.unit.test_methods import batches, distance, trainee
from xltransfer.cli.main import status_of
from xltransfer.data.batching import Batch, endless_order
from xltransfer.errors import ConfigError
from xltransfer.methods.base import SOURCE, TARGET, gradients
from xltransfer.methods.metaxl import MetaXL
from xltransfer.testing.problems import small_inputs
from xltransfer.training.run import run


def test_held_out_sentences_are_in_queries_alone_until_the_finish() -> None:
    method = MetaXL(held_out=0.3, start=0.2, finish=0.3, support_share=0.75)
    rows = list(method.target_rows(count=20, batch_size=8, seed=5, steps=100))
    assert len(rows) == 100
    before, meta, after = rows[:20], rows[20:70], rows[70:]
    assert all(len(set(batch)) == 8 for batch in before + after)
    assert all(len(set(batch)) == 10 for batch in meta)
    assert set(chain.from_iterable(before)) == set(range(14))
    assert set(chain.from_iterable(batch[:8] for batch in meta)) == set(range(14))
    assert set(chain.from_iterable(batch[8:] for batch in meta)) == set(range(14, 20))
    assert set(chain.from_iterable(after)) == set(range(20))


def batch_of(size: int) -> Batch:
    return Batch(small_inputs(size), torch.zeros(size, 7), torch.zeros(size))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.7, 0.9])
def test_theta_learns_from_a_whole_batch_of_the_others_and_the_query_comes_on_top(share: float) -> None:
    method = MetaXL(held_out=0.5, support_share=share)
    for size in range(2, 17):
        rows = next(method.target_rows(count=40, batch_size=size, seed=0, steps=1))
        halves = method._halves(batch_of(len(rows)))
        assert (len(halves.support), len(halves.query), halves.share) == (size, len(rows) - size, 1)
        assert max(rows[:size]) < 20 <= min(rows[size:])
        assert len(halves.query) == len(MetaXL(support_share=share)._halves(batch_of(size)).query)


def test_without_them_batches_are_those_of_other_methods() -> None:
    ours, theirs = MetaXL(start=0.2, finish=0.3).target_rows(20, 8, 5, 30), endless_order(20, 8, 5)
    assert [next(ours) for _ in range(30)] == [next(theirs) for _ in range(30)]


def test_theta_learns_nothing_from_a_held_out_query_and_phi_does() -> None:
    source, target = batches()
    labels = target.labels.clone()
    labels[3:] = (labels[3:] + 1) % 3
    ends = []
    for batch in (target, dataclasses.replace(target, labels=labels)):  # another query
        state = trainee(released_rtn(), dropout=True)
        MetaXL(held_out=0.5).step(state, source, batch, 0)
        ends.append((state.learner.state_dict(), state.rtn.state_dict()))
    assert distance(ends[0][0], ends[1][0]) == 0
    assert distance(ends[0][1], ends[1][1]) > 0


def test_in_the_finish_theta_learns_from_both_whole_batches_through_the_rtn_and_phi_stays() -> None:
    state, method = trainee(released_rtn(), dropout=True), MetaXL(finish=0.5, held_out=0.5)
    for step in range(2):
        method.step(state, *batches(), 100 * step)
    assert method.inserts(state)
    assert not method.learns_rtn(state)
    (source, target), phi = batches(), copy.deepcopy(state.rtn.state_dict())
    by_hand = gradients([state.seeded_loss(200 + SOURCE, source, state.rtn), state.seeded_loss(200 + TARGET, target)],
                        state.learner)  # fmt: skip
    other = copy.deepcopy(state)
    other.theta.apply(by_hand)
    figures = method.step(state, source, target, 200)
    assert figures.keys() == {"source_loss", "target_loss", "grad_norm"}
    assert distance(state.learner.state_dict(), other.learner.state_dict()) < 1e-15
    assert distance(state.rtn.state_dict(), phi) == 0
    assert state.phi.lr == state.theta.lr


@pytest.mark.parametrize(
    "options, told",
    [
        ({"finish": 1.0}, "finish: received 1.0; allowed: 0 or more, and less than 1"),
        ({"held_out": -0.1}, "held_out: received -0.1"),
        ({"start": 0.5, "finish": 0.5}, "start and finish: received 0.5 and 0.5; allowed: less than 1 together"),
    ],
)
def test_impossible_shares(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MetaXL(**options)


@pytest.mark.slow
@pytest.mark.parametrize("share, told", [(0.1, "2 of 20 target sentences are held out, 18 are left"), (0.8, "16 of")])
def test_too_few_sentences_are_refused_and_nothing_is_left(
    share: float, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=told):
        MetaXL(held_out=share).target_rows(20, 8, 0, 10)
    arguments = ["run", "--target-size", "20", "--batch-size", "8", "--source-size", "20", "--epochs", "1",
                 "--method-opt", f"held_out={share}", "--output", str(tmp_path / "run")]  # fmt: skip
    assert status_of(arguments) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"start": 0.9}, {"finish": 0.9, "start": 0.05}])
def test_a_run_too_short_for_the_rtn_is_refused_and_leaves_nothing(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "which leave none of 3 steps for the RTN to learn in"
    with pytest.raises(ConfigError, match=told):
        MetaXL(**options).target_rows(20, 8, 0, 3)
    given = [part for name, value in options.items() for part in ("--method-opt", f"{name}={value}")]
    arguments = ["run", "--batch-size", "8", "--source-size", "24", "--epochs", "1", "--output", str(tmp_path / "run")]
    assert status_of([*arguments, *given]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_with_held_out_queries(tmp_path: Path) -> None:
    options = {"held_out": 0.4, "start": 0.2, "finish": 0.4}
    run(tiny(tmp_path / "run", method="metaxl", target_size=30, method_options=options))
    logged = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines())
    steps = [line for line in logged if "lr" in line]
    assert [next(iter(line.keys() & {"source_loss", "meta_loss"})) for line in steps] == [
        "source_loss", "source_loss", "meta_loss", "meta_loss", "source_loss", "source_loss"
    ]  # fmt: skip
    assert ["update_ratio" in line for line in steps] == [False, False, True, True, False, False]
