"""Files and folders that are there whole or not at all, even after a kill or a power cut."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write under another name, then rename."""
    partial = _partial(path)
    partial.write_text(text, encoding="utf-8")
    sync(partial)
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which gets the name `path` once it is filled; one that has the name is removed then."""
    partial = _partial(path)
    _remove(partial)
    partial.mkdir()
    try:
        yield partial
        for file in sorted(partial.rglob("*")):
            sync(file)
        sync(partial)
        _remove(path)
        os.rename(partial, path)
        sync(path.parent)
    except BaseException:
        _remove(partial)
        raise


def sync(path: Path) -> None:
    """Have a file or a folder's list of names on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
