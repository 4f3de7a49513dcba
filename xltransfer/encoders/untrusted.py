"""Refuse code and files outside the folder in a downloaded model folder.

transformers asks on the terminal whether to run a folder's code, and takes kernels and base models from wherever
a folder says; here it is never asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xltransfer.errors import EncoderError

_WITH_CODE = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
_INDEX = "model.safetensors.index.json"
_KERNEL_KEYS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal",
                "experts_implementation", "_experts_implementation")  # fmt: skip


def refuse_code(folder: Path) -> None:
    """Raise EncoderError if a folder contains code, or weights other than safetensors beside its config."""
    for fault in _faults(folder):
        raise EncoderError(f"encoder: {fault}")


def _faults(folder: Path) -> Iterator[str]:
    for name in _WITH_CODE:
        values = _json(folder / name)
        if "auto_map" in values:
            yield (
                f"{folder / name} names code of its own (auto_map: {str(values['auto_map'])[:80]}), which is never "
                "run. If transformers has the architecture itself, take auto_map out of the file."
            )
        for key in _KERNEL_KEYS:
            if "/" in str(values.get(key) or ""):
                yield (
                    f"{folder / name} names compiled code from the hub ({key}: {values[key]!r}), which is never run. "
                    f"Take {key} out of the file."
                )
        explicit = values.get("transformers_weights")
        if explicit is not None and not _is_beside(explicit, (".safetensors", ".safetensors.index.json")):
            yield f"{folder / name}: transformers_weights: received {explicit!r}; allowed: a .safetensors file there."
    if (folder / "adapter_config.json").is_file():
        yield f"{folder} holds an adapter (adapter_config.json), which names another model. Merge it into that first."
    shards = _json(folder / _INDEX).get("weight_map", {})
    if not isinstance(shards, dict):
        yield f"{folder / _INDEX}: weight_map is a {type(shards).__name__}; a mapping of names to files is needed."
        return
    for file in sorted({str(file) for file in shards.values()}):
        if not _is_beside(file, (".safetensors",)):
            yield f"{folder / _INDEX} names {file!r}; allowed: .safetensors files beside it."


def _is_beside(name: object, suffixes: tuple[str, ...]) -> bool:
    return isinstance(name, str) and name == Path(name).name and name.endswith(suffixes)


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:  # ValueError: JSON's and Unicode's errors
        raise EncoderError(f"encoder: {file} cannot be read as JSON ({' '.join(str(error).split())[:120]}).") from error
    if not isinstance(found, dict):
        raise EncoderError(f"encoder: {file} holds a {type(found).__name__}; a JSON object is needed.")
    return found
