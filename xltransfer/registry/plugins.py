"""Import plugin files, whose decorators register parts."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from functools import cache
from pathlib import Path

from xltransfer.errors import RegistryError
from xltransfer.registry.base import PLUGIN_PREFIX
from xltransfer.registry.builtin import REGISTRIES


@cache
def load_plugin(path: Path) -> None:
    """Import a Python file so that its decorators register what it holds. Raises RegistryError."""
    if not path.is_file():
        raise RegistryError(f"plugin: {str(path)!r} is not a file; give the path of a Python file.")
    name = f"{PLUGIN_PREFIX}{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RegistryError(f"plugin: {str(path)!r} is not a Python file (its name must end in .py).")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = _registered()
    try:
        spec.loader.exec_module(module)
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(f"plugin {str(path)!r} fails on import{_line(path, error)}: {type(error).__name__}: {error}"
                            ) from error  # fmt: skip
    if _registered() == before:
        raise RegistryError(f"plugin {str(path)!r} registers nothing; a class under @register_rtn(\"name\") or "
                            "another of xltransfer's decorators is needed.")  # fmt: skip


def _line(path: Path, error: BaseException) -> str:
    """Where in the file it failed: its innermost line in the traceback; nothing if it is not there, as with syntax."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" in line {lines[-1]}" if lines else ""


def _registered() -> dict[str, type]:
    """Every class that a decorator registered."""
    return {f"{kind} {name}": part for kind, registry in REGISTRIES.items() for name, part in registry._classes.items()}
