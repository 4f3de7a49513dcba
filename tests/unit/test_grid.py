"""Options given several times, as configurations to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xltransfer.cli.options import merged_config
from xltransfer.errors import ConfigError
from xltransfer.experiments.grid import Cell, cells_of
from xltransfer.experiments.repeated_options import split_repeated


def cells(**given: Any) -> list[Cell]:
    recipe = given.pop("recipe", None)
    return cells_of(*split_repeated(given), lambda values: merged_config(values, None, recipe))


def names(**given: Any) -> list[str]:
    return [cell.name for cell in cells(**given)]


def run_name(**given: Any) -> str:
    (cell,) = cells(**given)
    return cell.run_name(1)


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
    found = cells(layer=["1", "2,3"], rtn_options=["bottleneck=8", "bottleneck=16"])
    assert [(cell.config.layer, cell.config.rtn_options["bottleneck"]) for cell in found] == [
        ((1,), 8), ((1,), 16), ((2, 3), 8), ((2, 3), 16),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"rtn": ["mlp", "lowrank"], "rtn_options": ["bottleneck=8"]}, [{"bottleneck": 8}, {}]),
        ({"rtn": ["lowrank", "mlp"], "rtn_options": ["bottleneck=8", "rank=2"]}, [{"rank": 2}, {"bottleneck": 8}]),
        ({"rtn": ["mlp", "multi"], "rtn_options": ["inner=lowrank", "inner.rank=2"]},
         [{}, {"inner": "lowrank", "inner.rank": 2}]),
        ({"rtn": ["lowrank", "mlp"], "rtn_options": ["rank=2", "rank=4"]}, [{"rank": 2}, {"rank": 4}, {}]),
    ],
)  # fmt: skip
def test_options_go_to_the_parts_that_have_them(given: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    found = cells(**given)
    assert [{key: cell.config.rtn_options[key] for key in wanted}
            for cell, wanted in zip(found, expected, strict=True)] == expected  # fmt: skip
    assert not any(key in cell.config.rtn_options and key not in wanted
                   for cell, wanted in zip(found, expected, strict=True) for key in ("bottleneck", "rank"))  # fmt: skip


def test_an_option_that_no_part_has_is_refused_with_the_combination() -> None:
    with pytest.raises(ConfigError, match=r"mlp: .*unknown option 'rnak'"):
        cells(rtn=["mlp", "lowrank"], rtn_options=["rnak=2"])


def test_a_recipe_keeps_its_options_for_the_method_they_are_of() -> None:
    for order in (["joint", "metaxl"], ["metaxl", "joint"]):
        found = {cell.name: cell.config for cell in cells(recipe="metaxl/ner-en-qu-released", method=order)}
        assert found["metaxl"].method_options["order"] == "released"
        assert not found["joint"].method_options


@pytest.mark.parametrize(
    "field, values",
    [
        ("task", ["ner", "pos"]), ("data", ["synthetic", "x"]), ("data_seed", ["1", "2"]),
        ("data_options", ["test=30", "test=60"]), ("task_options", ["long=cut", "long=window"]),
    ],
)  # fmt: skip
def test_the_data_are_the_same_for_all(field: str, values: list[str]) -> None:
    with pytest.raises(ConfigError, match=rf"{field}.*: received .*the same test sentences"):
        names(**{field: values})


def test_a_combination_that_cannot_be_run_is_refused_beforehand() -> None:
    with pytest.raises(ConfigError, match="rtn"):
        names(rtn=["mlp", "mpl"])


def test_the_same_run_has_the_same_folder_in_every_comparison() -> None:
    folders = [cell.run_name(1) for cell in cells(rtn=["frozen", "mlp"], method=["joint", "metaxl"])]
    assert run_name() in folders
    assert len(set(folders)) == 3
    assert run_name(method=["joint"]) == run_name(method=["joint"], rtn=["frozen"], layer=["1"])
    assert run_name(method=["joint"]) != run_name(method=["joint"], epochs=["9"])
    assert run_name() == run_name(skip_nonfinite=["3"])


def test_other_files_are_another_run(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a O\n")
    given = {"data": [str(tmp_path)], "source": ["en"], "target": ["ig"]}
    before = run_name(**given)
    assert run_name(**given) == before
    (tmp_path / "train.txt").write_text("b O\nc O\n")
    assert run_name(**given) != before


PLUGIN = """
from xltransfer import RTN, register_rtn

@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim):
        super().__init__()
    def forward(self, hidden, mask, layer):
        return {scale} * hidden
"""


def test_another_plugin_is_another_run_of_its_own_parts(empty_folder: Path) -> None:
    plugin = empty_folder / "mine.py"
    plugin.write_text(PLUGIN.format(scale=0.1))
    alone = run_name()
    found = cells(rtn=["mlp", "mine"], plugin=["mine.py"])
    plugin.write_text(PLUGIN.format(scale=0.2))
    again = cells(rtn=["mlp", "mine"], plugin=["mine.py"])
    assert found[0].run_name(1) == again[0].run_name(1) == alone
    assert found[1].run_name(1) != again[1].run_name(1)
