"""Imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xltransfer

ROOT = Path(xltransfer.__file__).parent
RANKS = {"config": 0, "errors": 0, "registry": 0, "options": 0, "rtns": 1, "backends": 1, "tasks": 1, "data": 1,
         "encoders": 1, "methods": 2, "training": 3, "testing": 3, "bench": 4, "experiments": 4, "cli": 5, "seeding": 0,
         "cache": 0, "timing": 0, "compatibility": 0, "recipes": 1, "faults": 0, "trust": 0, "durable": 0,
         "processes": 0, "analysis": 4, "part_options": 0, "pictures": 0}  # fmt: skip
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem in RANKS)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("xltransfer."):
            names.add(node.module.split(".")[1])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_below_imports_from_above(path: Path) -> None:
    rank = RANKS[path.relative_to(ROOT).parts[0].removesuffix(".py")]
    assert {name for name in imported(path) if RANKS[name] > rank} == set()
