"""The sweep files of recipes/: every cell of the tables they are for, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from xltransfer.experiments.sweeps.file import read_sweep

FOLDER = Path(__file__).parents[2] / "recipes"
TABLES = {
    "paper-ner": (10, ["qu", "cdo", "ilo", "xmf", "mhr", "mi", "tk", "gn"]),
    "small-ner": (7, ["ig", "sw", "wol", "ewe"]),
    "paper-sentiment": (8, ["te", "fa"]),
    "small-sentiment": (7, ["te", "fa"]),
}
"""Rows and columns."""


def test_each_file_has_its_table() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_every_column_once(name: str) -> None:
    cells = read_sweep(FOLDER / f"{name}.yaml").cells()
    rows, columns = TABLES[name]
    assert Counter(cell.name for cell in cells) == dict.fromkeys({cell.name for cell in cells}, len(columns))
    assert len({cell.name for cell in cells}) == rows
    assert sorted({cell.column for cell in cells}) == sorted(columns)


@pytest.mark.parametrize("kind", ["ner", "sentiment"])
def test_the_small_table_is_of_the_same_baselines_and_method(kind: str) -> None:
    methods = [{cell.config.method for cell in read_sweep(FOLDER / f"{size}-{kind}.yaml").cells()}
               for size in ("paper", "small")]  # fmt: skip
    assert methods[0] == {"target-only", "joint", "metaxl"}
    assert methods[0] < methods[1]


def test_the_related_rows_have_the_related_language() -> None:
    related = {cell.column: cell.config.source for cell in read_sweep(FOLDER / "paper-ner.yaml").cells()
               if cell.name == "MetaXL, related"}  # fmt: skip
    assert related == {"qu": ("es",), "cdo": ("zh",), "ilo": ("id",), "xmf": ("ka",), "mhr": ("ru",), "mi": ("id",),
                       "tk": ("tr",), "gn": ("es",)}  # fmt: skip
