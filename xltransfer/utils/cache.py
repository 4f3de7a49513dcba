"""Where what can be made again is kept: `XLT_CACHE`, or `xltransfer` in the user's cache folder."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def cache_folder() -> Path:
    """The folder, which may not be there yet."""
    if given := os.environ.get("XLT_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xltransfer"


def remembered(name: str) -> dict[str, Any]:
    """The JSON object of a cache file; empty where there is none that can be read."""
    try:
        found = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(name: str, key: str, value: Any) -> None:
    """Add one entry to a cache file, whole or not at all. A cache that cannot be written is no fault."""
    text = json.dumps({**remembered(name), key: value}, indent=1)
    keep(cache_folder() / name, lambda file: file.write(text.encode()))


def keep(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """A file of the cache, whole or not at all. A cache that cannot be written, or is full, is no fault."""
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
