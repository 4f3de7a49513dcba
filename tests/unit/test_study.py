"""The study's files: what its phases run is what the protocol says, and its tables follow from its lines."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scipy import stats

from xltransfer.experiments.sweeps.file import read_sweep

STUDY = Path(__file__).parents[2] / "benchmarks" / "study"
MAIN = sorted(file for file in STUDY.glob("main-*.yaml"))


def loaded(name: str) -> ModuleType:
    sys.path.insert(0, str(STUDY))  # its files import each other
    spec = importlib.util.spec_from_file_location(name, STUDY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(STUDY))
    return module


tables = loaded("tables")
study = loaded("study")


def line(row: str, target: str, seed: int, test: float, **more: Any) -> dict[str, Any]:
    return {
        "row": row,
        "task": "ner",
        "source": "en",
        "target": target,
        "seed": seed,
        "test": test,
        "dev": test,
        **more,
    }


def test_differences_are_of_the_same_pair_and_seed() -> None:
    lines = [line("metaxl", "ig", 0, 0.6), line("joint", "ig", 0, 0.5), line("joint", "ig", 1, 0.1),
             line("metaxl", "sw", 1, 0.2), line("joint", "sw", 1, 0.4), line("metaxl", "sw", 3, 0.9)]  # fmt: skip
    found = tables.paired(lines, "metaxl", "joint")
    assert found == {"ner en→ig": [pytest.approx(10)], "ner en→sw": [pytest.approx(-20)]}


def test_the_interval_is_that_of_a_t_test() -> None:
    values = [1.0, 2.5, -0.3, 4.0]
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert tables.interval(values) == pytest.approx((1.8, wanted.low, wanted.high))
    assert tables.interval([2.0, 2.0]) == (2.0, 2.0, 2.0)


def test_the_committed_tables_are_made_of_the_committed_lines(tmp_path: Path) -> None:
    shutil.copytree(
        STUDY / "results", tmp_path / "results", ignore=lambda _, names: [n for n in names if n[-5:] != "jsonl"]
    )
    tables.write_all(tmp_path)
    for file in (tmp_path / "results").glob("*.md"):
        assert file.read_text(encoding="utf-8") == (STUDY / "results" / file.name).read_text(encoding="utf-8")
    assert (tmp_path / "results" / "tables.md").is_file()


@pytest.mark.parametrize("file", MAIN, ids=lambda file: file.stem)
def test_methods_are_trained_alike(file: Path) -> None:
    """Six rows, five seeds; the encoder's training is the same in all that have a source, but for the released one."""
    sweep = read_sweep(file)
    assert (sweep.seeds, sweep.baseline) == ((0, 1, 2, 3, 4), "joint")
    for target in {cell.column for cell in sweep.cells()}:
        configs = {cell.row: cell.config.to_dict() for cell in sweep.cells() if cell.column == target}
        assert tuple(configs) == tables.METHODS
        own = {"method", "method_options", "rtn", "rtn_options", "layer", "meta_lr", "backend_options"}
        for row, allowed in {"target-only": {"lr"}, "released": {"optimizer", "weight_decay"}}.items():
            differing = {name for name in configs[row] if configs[row][name] != configs["joint"][name]}
            assert differing <= own | allowed
        for row in ("joint-rtn", "metaxl", "frozen"):
            assert {name for name in configs[row] if configs[row][name] != configs["joint"][name]} <= own
        assert configs["frozen"]["method_options"] == configs["metaxl"]["method_options"]
        assert configs["frozen"]["layer"] == configs["metaxl"]["layer"]


def test_the_full_version_of_a_phase_has_more_sentences_and_epochs() -> None:
    plain, full = (study.sweep_of(name).cells() for name in ("main-ner", "main-ner-full"))
    assert [(cell.name, cell.column) for cell in plain] == [(cell.name, cell.column) for cell in full]
    assert {(cell.config.source_size, cell.config.epochs) for cell in full} == {(5000, 6)}
    assert not {cell.key for cell in plain} & {cell.key for cell in full}


@pytest.mark.slow
def test_every_line_is_of_a_run_that_a_phase_plans() -> None:
    for file in (STUDY / "results").glob("*.jsonl"):
        sweep = study.sweep_of(file.stem)
        planned = {(cell.name, cell.config.target, seed) for cell in sweep.cells() for seed in sweep.seeds}
        lines = [json.loads(one) for one in file.read_text(encoding="utf-8").splitlines()]
        assert {(one["row"], one["target"], one["seed"]) for one in lines} <= planned
        assert len({(one["row"], one["target"], one["seed"]) for one in lines}) == len(lines)
