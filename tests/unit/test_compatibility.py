"""Combinations that cannot work are refused, with those that can, before weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.resuming import tiny
from xltransfer.backends.base import Capabilities
from xltransfer.backends.func import Func
from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.registry import BACKENDS
from xltransfer.registry.compatibility import attention_for
from xltransfer.rtns.mlp import MLP
from xltransfer.training.preparation import prepare
from xltransfer.training.progress import Reporter


def faults(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_mapping(changes).validated()
    return str(caught.value)


@pytest.mark.parametrize("backend", ["func", "higher", "learn2learn"])
def test_fused_attention_is_refused_where_a_gradient_is_differentiated(backend: str) -> None:
    message = faults(backend=backend, attention="sdpa")
    assert f"backend {backend} differentiates a gradient" in message
    assert "backends that work with sdpa: fd, first-order" in message


def test_precision_is_refused_by_what_parts_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLP, "precisions", ("fp32",))
    monkeypatch.setattr(Func, "capabilities", Capabilities(precisions=("fp32",)))
    message = faults(precision="bf16")
    assert "rtn mlp works in fp32; rtns that work in bf16: identity, lowrank, multi" in message
    assert "backend func works in fp32; backends that work in bf16: auto, fd, first-order, higher" in message


@pytest.mark.parametrize("wanted, named", [({"activations": "recompute"}, "recompute"), ({"compile": True}, "yes")])
def test_what_a_patched_copy_would_miss_is_refused(wanted: dict[str, Any], named: str) -> None:
    message = faults(backend="higher", **wanted)
    assert f"received {named!r}" in message or f"received {named};" in message
    assert "backend higher cannot work with that; those that can: auto, fd" in message
    assert RunConfig(method="joint", backend="higher", **wanted).validated()
    assert RunConfig(**wanted).validated()


def test_recomputed_and_compiled_at_once_is_refused() -> None:
    assert "exclude each other" in faults(activations="recompute", compile=True)


@pytest.mark.parametrize("method", ["joint", "joint-rtn", "target-only"])
def test_a_bandit_is_refused_without_a_query_loss(method: str) -> None:
    message = faults(method=method, mixing="bandit")
    assert f"method {method} has none; methods that have one: metaxl; or another --mixing." in message
    assert RunConfig(method="metaxl", mixing="bandit").validated()


def test_a_bandit_decides_too_late_for_buckets() -> None:
    assert "bucket: yes sorts sentences over many batches" in faults(mixing="bandit", bucket=True)


@pytest.mark.parametrize("value", [0, -0.1, 1.01])
def test_exploration_is_a_share(value: float) -> None:
    assert f"exploration: received {float(value)}; allowed: a share above 0, up to 1." in faults(exploration=value)
    assert RunConfig(exploration=1.0).validated()


def test_parts_that_a_method_does_not_use_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MLP, "precisions", ("fp32",))
    assert RunConfig(method="joint", precision="bf16", attention="sdpa").validated()


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, None),
        ({"attention": "eager"}, "eager"),
        ({"backend": "fd"}, None),
        ({"backend": "fd", "attention": "eager"}, "eager"),
        ({"method": "joint"}, None),
    ],
)
def test_attention_is_left_to_transformers_unless_asked_for(changes: dict[str, Any], expected: str | None) -> None:
    assert attention_for(RunConfig.from_mapping(changes)) == expected


def test_options_of_an_inner_rtn_are_checked() -> None:
    checked = RunConfig(rtn="multi", rtn_options={"inner": "lowrank", "inner.rank": "4"}).validated()
    assert checked.rtn_options == {"inner": "lowrank", "inner.rank": 4}
    assert "rtn lowrank: unknown option 'rnk'; allowed: rank, alpha" in faults(
        rtn="multi", rtn_options={"inner": "lowrank", "inner.rnk": 4}
    )
    assert "rtn: received 'low'" in faults(rtn="multi", rtn_options={"inner": "low"})
    assert "rtn mlp: unknown option 'inner.rank'" in faults(rtn="mlp", rtn_options={"inner.rank": 4})


def test_a_method_that_weights_would_only_be_made_small_by_is_refused() -> None:
    config = tiny(Path("unused"), method="joint-rtn", rtn="weights")
    with pytest.raises(ConfigError, match=r"the weights of rtn weights would only become small; .*: metaxl"):
        prepare(config, Reporter())
    assert prepare(tiny(Path("unused"), method="joint", rtn="weights"), Reporter())


def test_the_frozen_control_holds_no_weights() -> None:
    assert "rtn frozen: unknown option 'inner'; allowed: bottleneck, gate" in faults(
        rtn="frozen", rtn_options={"inner": "weights"}
    )


def test_every_backend_declares_its_capabilities() -> None:
    for name in BACKENDS.names():
        assert isinstance(BACKENDS.load(name).capabilities, Capabilities)
