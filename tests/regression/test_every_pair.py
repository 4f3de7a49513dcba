"""`xlt run --rtn X --layer 2 --backend Y` for every X and Y that the registry holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiers import covering, first_quick
from xltransfer.cli.main import status_of
from xltransfer.registry import BACKENDS, RTNS

SHORT = ["--epochs", "1", "--source-size", "16", "--target-size", "16", "--max-length", "48", "--quiet", "--json",
         "--data-opt", "train=20", "--data-opt", "dev=8", "--data-opt", "test=8"]  # fmt: skip


@pytest.mark.parametrize("rtn, backend", covering(RTNS.names(), BACKENDS.names()))
def test_pair_runs(rtn: str, backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["--output", str(tmp_path / "run")]
    assert status_of(["run", "--rtn", rtn, "--layer", "2", "--backend", backend, *SHORT, *output]) == 0
    meta = json.loads(capsys.readouterr().out)["meta"]
    assert (meta["rtn"], meta["backend"]) == (rtn, "func" if backend == "auto" else backend)
    assert (meta["rtn_parameters"] > 0) == (rtn != "identity")
    assert (meta["rtn_parameters_trained"] > 0) == (rtn not in ("identity", "frozen"))


SEVERAL = [
    ["--layer", "2", "--layer", "4", "--rtn", "multi"],
    ["--layer", "2", "--layer", "4", "--rtn", "multi", "--rtn-opt", "mix=softmax"],
    ["--layer", "0", "--layer", "1", "--rtn", "multi", "--rtn-opt", "inner=lowrank", "--rtn-opt", "inner.rank=2"],
    ["--source", "base", "--source", "near", "--rtn", "per-language"],
    ["--source", "base", "--source", "near", "--rtn", "per-language", "--method", "joint-rtn"],
    ["--source", "base", "--source", "near", "--rtn", "per-language", "--rtn-opt", "inner=weights"],
    [
        "--task",
        "sentiment",
        "--rtn",
        "weights",
        "--rtn-opt",
        "by=both",
        "--rtn-opt",
        "inner=mlp",
        "--precision",
        "bf16",
    ],
    ["--layer", "1", "--layer", "3", "--backend", "func", "--backend-opt", "inner_steps=2"],
    ["--backend", "func", "--backend-opt", "mode=forward", "--precision", "bf16"],
    ["--backend", "fd", "--attention", "eager", "--precision", "bf16"],
    ["--backend", "fd", "--attention", "sdpa"],
    *(["--method-opt", "inner_step=adam", "--backend", name] for name in ("auto", "fd", "first-order")),
    ["--method-opt", "inner_step=adam", "--precision", "bf16", "--optimizer", "adam", "--weight-decay", "5e-4"],
    ["--method-opt", "support_share=0.25", "--method-opt", "normalised=yes"],
]


@pytest.mark.parametrize("options", first_quick(SEVERAL, 2), ids=" ".join)
def test_several_layers_sources_and_steps_run(options: list[str], tmp_path: Path) -> None:
    assert status_of(["run", *options, *SHORT, "--output", str(tmp_path / "run")]) == 0
