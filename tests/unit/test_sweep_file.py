"""Sweep files: what they say, and what is refused, with the file's name and every fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from xltransfer.cli.options import merged_config
from xltransfer.errors import ConfigError
from xltransfer.experiments.grid import Cell, cells_of
from xltransfer.experiments.repeated_options import split_repeated
from xltransfer.experiments.sweeps.file import Sweep, read_sweep

pytestmark = pytest.mark.usefixtures("empty_folder")
METHODS = {"joint": {"method": "joint"}, "MetaXL": {"method": "metaxl"}}
PLUGIN = """
from xltransfer import RTN, register_rtn

@register_rtn("mine")
class Mine(RTN):
    def __init__(self, dim):
        super().__init__()
    def forward(self, hidden, mask, layer):
        return 0.1 * hidden
"""


def sweep(*plugins: str, **content: Any) -> Sweep:
    Path("s.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return read_sweep(Path("s.yaml"), plugins)


def cells(*plugins: str, **content: Any) -> list[Cell]:
    return sweep(*plugins, **content).cells()


def table(*plugins: str, **content: Any) -> dict[str, list[str]]:
    """Names of rows, and the columns of each."""
    found: dict[str, list[str]] = {}
    for cell in cells(*plugins, **content):
        found.setdefault(cell.name, []).append(cell.column)
    return found


@pytest.mark.parametrize(
    "content, expected",
    [
        ({}, {"metaxl": ["synthetic"]}),
        ({"values": {"target": "far"}, "grid": {"lr": [0.1]}}, {"metaxl": ["far"]}),
        ({"grid": {"method": ["joint", "metaxl"], "layer": [1, [2, 3]]}},
         {"joint": ["synthetic"], "metaxl/layer 1": ["synthetic"], "metaxl/layer 2+3": ["synthetic"]}),
        ({"rows": METHODS, "grid": {"target": ["far", "mid"], "rtn_options.bottleneck": [8, 16]}},
         {"joint": ["far", "mid"], "MetaXL/bottleneck=8": ["far", "mid"], "MetaXL/bottleneck=16": ["far", "mid"]}),
        ({"rows": METHODS, "grid": {"task": ["ner", "pos"], "data_seed": [1, 2]}},
         {name: ["data seed 1", "data seed 2"] * 2 for name in METHODS}),
        ({"grid": {"rtn_options.gate": [True, False]}}, {"gate=yes": ["synthetic"], "gate=no": ["synthetic"]}),
        ({"rows": {"a": [{"target": "far", "lr": 0.1}, {"target": "mid"}]}}, {"a": ["far", "mid"]}),
        ({"rows": ["metaxl/ner-en-qu", "metaxl/ner-en-gn-joint"]},
         {"metaxl/ner-en-qu": ["qu"], "metaxl/ner-en-gn-joint": ["gn"]}),
        ({"rows": {"joint": "metaxl/ner-en-??-joint", "own": ["metaxl/ner-en-qu", "metaxl/ner-en-gn"]}},
         {"joint": ["tk", "mi", "gn", "qu"], "own": ["qu", "gn"]}),
    ],
)  # fmt: skip
def test_rows_times_grid(content: dict[str, Any], expected: dict[str, list[str]]) -> None:
    found = table(**content)
    assert {row: sorted(columns) for row, columns in found.items()} == {
        row: sorted(columns) for row, columns in expected.items()
    }


def test_seeds_and_baseline() -> None:
    assert sweep().seeds == (0, 1, 2)
    found = sweep(rows=METHODS, seeds=[3, 1, 3], baseline="MetaXL")
    assert (found.seeds, found.baseline, found.name) == ((3, 1), "MetaXL", "s")


def test_values_of_a_row_are_above_those_of_the_file_and_those_above_a_recipes() -> None:
    found = {cell.name: cell.config for cell in cells(
        values={"lr": 0.1, "epochs": 7, "rtn_options": {"bottleneck": 8}},
        rows={"own": {"lr": 0.2, "rtn_options": {"gate": True}}, "recipe": "metaxl/ner-en-qu"})}  # fmt: skip
    assert (found["own"].lr, found["own"].epochs, found["recipe"].lr, found["recipe"].epochs) == (0.2, 7, 0.1, 7)
    assert found["own"].rtn_options == {"bottleneck": 8, "gate": True}
    assert (found["recipe"].rtn_options["bottleneck"], found["recipe"].rtn_options["gate"]) == (8, True)
    assert found["recipe"].batch_size == 10


def test_options_go_to_the_rows_whose_parts_have_them() -> None:
    found = {cell.name: cell.config.rtn_options for cell in cells(
        values={"rtn_options": {"bottleneck": 8, "rank": 2}},
        rows={"mlp": {}, "low": {"rtn": "lowrank"}})}  # fmt: skip
    assert found == {"mlp": {"bottleneck": 8}, "low": {"rank": 2}}


def test_a_sweep_and_a_comparison_share_their_runs() -> None:
    given = {"method": ["joint", "metaxl"], "layer": ["2", "2,3"], "lr": ["0.005"], "source": ["base,near"],
             "rtn_options": ["bottleneck=8"]}  # fmt: skip
    compared = cells_of(*split_repeated(given), lambda values: merged_config(values, None))
    swept = cells(
        values={"lr": 0.005, "source": ["base", "near"], "rtn_options": {"bottleneck": 8}},
        grid={"method": ["joint", "metaxl"], "layer": [2, [2, 3]]},
    )
    assert [(cell.name, cell.run_name(1)) for cell in swept] == [(cell.name, cell.run_name(1)) for cell in compared]


@pytest.mark.parametrize(
    "content, expected",
    [
        ({"valeus": {}}, r"unknown key 'valeus'.*Did you mean 'values'"),
        ({"values": {"epohcs": 1}}, r"values: unknown option 'epohcs'\. Did you mean 'epochs'"),
        ({"values": {"epochs": "many"}}, "values: epochs: received 'many'"),
        ({"values": [1]}, r"values: received \[1\]"),
        ({"values": {"seed": 1}}, "values: seed is not given here; give seeds"),
        ({"values": {"output": "x"}}, "values: output is not given here"),
        ({"values": {"rtn_options": 3}}, "rtn_options: received 3; allowed: a mapping"),
        ({"values": {"rtn_options.bottlneck": 3}}, "unknown option 'bottlneck'"),
        ({"rows": {}}, "rows: received {}"),
        ({"rows": {"a": []}}, "rows: a: received none"),
        ({"rows": {"a": 3}}, "rows: a: received 3"),
        ({"rows": ["metaxl/ner-en-q"]}, "Did you mean 'metaxl/ner-en-qu'"),
        ({"rows": {"a": "metaxl/nre-*"}}, "rows: a: recipe: received 'metaxl/nre-"),
        ({"rows": {"a": {"method": "metaxxl"}}}, "a: .*method.*metaxxl"),
        ({"rows": {"a": [{"lr": 0.1}, {"lr": 0.2}]}}, "'a' would be two different runs on synthetic"),
        ({"rows": {"a": {"layer": 1}}, "grid": {"layer": [1, 2]}}, "rows: a: layer is varied by the grid"),
        ({"rows": ["metaxl/sentiment-en-te"]}, "recipe metaxl/sentiment-en-te: "),
        ({"grid": {"layer": []}}, r"grid: layer: received \[\]"),
        ({"grid": {"layer": 2}}, "grid: layer: received 2; allowed: a list"),
        ({"grid": {"layer": [1, "x"]}}, "grid: layer: received 'x'"),
        ({"grid": {"rtn_options": [{"gate": True}]}}, "one option of it, as in rtn_options.NAME"),
        ({"grid": {"layer.x": [1, 2]}}, "grid: unknown option 'layer.x'"),
        ({"grid": {"seed": [1, 2]}}, "grid: seed is not given here"),
        ({"seeds": []}, r"seeds: received \[\]"),
        ({"seeds": [True]}, r"seeds: received \[True\]"),
        ({"seeds": 3}, "seeds: received 3"),
        ({"baseline": "jiont", "rows": METHODS}, "baseline: received 'jiont'.*Did you mean 'joint'"),
        ({"baseline": 3}, "baseline: received 3"),
    ],
)  # fmt: skip
def test_faults(content: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"sweep 's\.yaml': .*{expected}"):
        sweep(**content)


def test_every_fault_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(values={"epochs": "x"}, grid={"layer": []}, seeds=[], rows={})
    assert len(caught.value.faults) == 4


def test_what_is_no_yaml_is_refused() -> None:
    Path("s.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"sweep 's\.yaml' is not YAML"):
        read_sweep(Path("s.yaml"))
    with pytest.raises(ConfigError, match=r"sweep 'none\.yaml' cannot be read"):
        read_sweep(Path("none.yaml"))


@pytest.mark.parametrize(
    "content",
    [
        {"values": {"rtn": "os.path:join"}},
        {"rows": {"a": {"task": "os.path:join"}}},
        {"grid": {"rtn": ["mlp", "os.path:join"]}},
        {"values": {"rtn": "multi", "rtn_options": {"inner": "os.path:join"}}},
        {"grid": {"rtn_options.inner": ["mlp", "os.path:join"]}, "values": {"rtn": "multi"}},
    ],
)
def test_a_class_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"names code.*register it in a plugin file and pass that with --plugin"):
        sweep(**content)


def test_a_plugin_runs_only_if_the_user_names_it() -> None:
    Path("mine.py").write_text(f"open('executed', 'w').close()\n{PLUGIN}")
    content = {"values": {"plugin": "mine.py"}, "rows": {"mine": {"rtn": "mine"}}}
    with pytest.raises(ConfigError, match=r"plugin: 'mine\.py' is code.*add: --plugin mine\.py"):
        sweep(**content)
    with pytest.raises(ConfigError, match="rows: a: plugin is not given here"):
        sweep(rows={"a": {"plugin": "mine.py"}})
    with pytest.raises(ConfigError, match="grid: plugin cannot be varied"):
        sweep(grid={"plugin": ["mine.py"]})
    assert not Path("executed").exists()
    (cell,) = cells("mine.py", **content)
    assert (cell.config.rtn, cell.config.plugin) == ("mine", ("mine.py",))
