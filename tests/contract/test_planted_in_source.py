"""Bugs in data, tasks, training and checkpoints are caught by the tests that are named for them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.planted_bugs import PLANTED, ROOT, Planted, table


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_and_its_test_is_in_every_run(bug: Planted) -> None:
    assert (ROOT / "xltransfer" / bug.file).read_text(encoding="utf-8").count(bug.right) == 1
    file, _, name = bug.caught_by.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    (test,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    assert "pytest.mark.slow" not in [ast.unparse(decorator) for decorator in test.decorator_list]


def test_contributing_lists_them() -> None:
    assert table() in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_each_is_caught(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / "tests" / "contract" / "planted_bugs.py", tmp_path], cwd=ROOT,
                          text=True, capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert found == [["0", "none"], *(["1", bug.name] for bug in PLANTED)], (tmp_path / "output.txt").read_text()
