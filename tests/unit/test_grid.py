"""Options given several times, as configurations to compare."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.experiments.grid import cells_of, first_values


def names(**given: Any) -> list[str]:
    return [cell.name for cell in cells_of(given, RunConfig.from_mapping({}))]


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, ["metaxl"]),
        ({"method": ["metaxl"], "lr": ["0.1"]}, ["metaxl"]),
        ({"method": ["joint", "metaxl", "joint"]}, ["joint", "metaxl"]),
        ({"method": ["joint", "metaxl"], "rtn": ["mlp", "frozen"]}, ["joint", "metaxl/mlp", "metaxl/frozen"]),
        ({"method": ["joint-rtn", "metaxl"], "backend": ["func", "fd"]}, ["joint-rtn", "metaxl/func", "metaxl/fd"]),
        ({"layer": ["1", "2,3"]}, ["layer 1", "layer 2+3"]),
        ({"rtn_options": ["bottleneck=8", "bottleneck=16", "gate=yes"]}, ["bottleneck=8", "bottleneck=16"]),
        ({"lr": ["0.1", "0.01"], "epochs": ["1", "2"]},
         ["lr 0.1/epochs 1", "lr 0.1/epochs 2", "lr 0.01/epochs 1", "lr 0.01/epochs 2"]),
    ],
)  # fmt: skip
def test_every_combination_once(given: dict[str, Any], expected: list[str]) -> None:
    assert names(**given) == expected


def test_values_reach_the_configurations() -> None:
    cells = cells_of(
        {"layer": ["1", "2,3"], "rtn_options": ["bottleneck=8", "bottleneck=16"]}, RunConfig.from_mapping({})
    )
    assert [(cell.config.layer, cell.config.rtn_options["bottleneck"]) for cell in cells] == [
        ((1,), 8), ((1,), 16), ((2, 3), 8), ((2, 3), 16),
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["target", "task", "data", "data_seed"])
def test_the_data_are_the_same_for_all(field: str) -> None:
    values = {"target": ["far", "mid"], "task": ["ner", "pos"], "data": ["synthetic", "x"], "data_seed": ["1", "2"]}
    with pytest.raises(ConfigError, match=f"{field}: received .*the same test sentences"):
        names(**{field: values[field]})


def test_a_combination_that_cannot_be_run_is_refused_beforehand() -> None:
    with pytest.raises(ConfigError, match="rtn"):
        names(rtn=["mlp", "mpl"])


def test_the_same_run_has_the_same_folder_in_every_comparison() -> None:
    base = RunConfig.from_mapping({})
    (alone,) = cells_of({}, base)
    wider = cells_of({"rtn": ["frozen", "mlp"], "method": ["joint", "metaxl"]}, base)
    folders = [cell.run_name(1) for cell in wider]
    assert alone.run_name(1) in folders
    assert len(set(folders)) == 3
    assert alone.run_name(2) not in folders
    (joint,) = cells_of({}, dataclasses.replace(base, method="joint"))
    (other,) = cells_of({}, dataclasses.replace(base, method="joint", rtn="frozen", layer=(1,)))
    assert joint.run_name(1) == other.run_name(1)
    (longer,) = cells_of({}, dataclasses.replace(base, method="joint", epochs=9))
    assert longer.run_name(1) != joint.run_name(1)


def test_first_values_are_those_of_one_run() -> None:
    given = {"method": ["joint", "metaxl"], "layer": ["2,3", "1"], "rtn_options": ["a=1", "a=2", "b=x"],
             "plugin": ["p.py", "q.py"]}  # fmt: skip
    assert first_values(given) == {
        "method": "joint", "layer": ["2", "3"], "rtn_options": ["a=1", "b=x"], "plugin": ["p.py", "q.py"],
    }  # fmt: skip
