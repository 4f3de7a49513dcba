"""Where what can be made again is kept: `XLT_CACHE`, or `xltransfer` in the user's cache folder."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


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
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as partial:
            json.dump({**remembered(name), key: value}, partial, indent=1)
        os.replace(partial.name, folder / name)
    except OSError:
        return
