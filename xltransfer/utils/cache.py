"""Read and write cache files in `XLT_CACHE`, or `xltransfer` in the user's cache folder."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def cache_folder() -> Path:
    """The cache folder, which may not exist yet."""
    if given := os.environ.get("XLT_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xltransfer"


def read_cache(name: str) -> dict[str, Any]:
    """Read the JSON object of a cache file; empty if it cannot be read."""
    try:
        found = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def add_to_cache(name: str, key: str, value: Any) -> None:
    """Add one entry to a cache file atomically; a write error is ignored."""
    text = json.dumps({**read_cache(name), key: value}, indent=1)
    keep(cache_folder() / name, lambda file: file.write(text.encode()))


def keep(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a cache file atomically; a write error is ignored."""
    partial = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as opened:
            partial = Path(opened.name)
            write(opened)  # type: ignore[arg-type]
        os.replace(partial, file)
    except OSError:
        if partial is not None:
            partial.unlink(missing_ok=True)
