"""Imports point one way, folders stay small, and every module says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xltransfer

ROOT = Path(xltransfer.__file__).parent
ORDER = ("errors", "utils", "registry", "config", "recipes", "rtns", "backends", "data", "tasks", "datasets",
         "encoders", "methods", "training", "testing", "analysis", "report", "experiments", "bench", "cli", "__init__",
         "__main__")  # fmt: skip
"""The rooms of the package: each imports from those before it and from itself. There are no exceptions."""
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST_FOLDER, LONGEST_FILE = 15, 300


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports from anywhere in it, type annotations included."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "xltransfer":
            names = [f"xltransfer.{alias.name}" for alias in node.names]
        else:
            names = [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top, _, rest = name.partition(".")
            if top == "xltransfer":
                room = rest.partition(".")[0]
                rooms.add(room if room in ORDER else "__init__")
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    rank = ORDER.index(room_of(path))
    assert {room for room in imported_rooms(path) if ORDER.index(room) > rank} == set()


def test_folders_and_files_stay_small() -> None:
    folders = {path.parent for path in MODULES}
    sizes = {str(folder.relative_to(ROOT)): len([p for p in folder.glob("*.py") if p.stem != "__init__"])
             for folder in folders}  # fmt: skip
    assert {folder: size for folder, size in sizes.items() if size > LONGEST_FOLDER} == {}
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_module_has_a_plain_first_line() -> None:
    lacking = []
    for path in MODULES:
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = doc.partition("\n")[0]
        if not first.endswith(".") or first.endswith("?") or len(first) > 115:
            lacking.append(str(path.relative_to(ROOT)))
    assert lacking == []
