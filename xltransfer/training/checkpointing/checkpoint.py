"""A checkpoint on disk: `checkpoint/step-N`, tensors as safetensors and the rest as JSON, under hashes.

It gets its name once everything is on the disk, and the one before is removed after that: a kill at any moment leaves
a checkpoint that can be read.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from xltransfer.errors import CheckpointError
from xltransfer.utils.files import refuse_link, whole_folder

FOLDER = "checkpoint"
VALUES = "state.json"
MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d+)(-scored)?")
"""An epoch's last step may be saved twice, before and after the epoch's score."""


@dataclass(frozen=True)
class Checkpoint:
    """One whose files agree with their hashes. `facts` are what it was saved under: version, configuration, data."""

    path: Path
    metadata: dict[str, Any]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Those of `NAME.safetensors`; none if there is no such file."""
        file = self.path / f"{name}.safetensors"
        return safetensors.torch.load_file(file) if file.name in self.metadata["files"] else {}

    def values(self) -> dict[str, Any]:
        """What is no tensor."""
        found: dict[str, Any] = json.loads((self.path / VALUES).read_text(encoding="utf-8"))
        return found


def checkpoint_name(step: int, scored: bool) -> str:
    """The name of a checkpoint after `step` steps; `scored` if these end an epoch whose score is in it."""
    return f"step-{step:07d}{'-scored' if scored else ''}"


def write(
    path: Path, tensors: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write a checkpoint: a safetensors file for each group of `tensors`, `values`, and a manifest with `facts`."""
    refuse_link(path.parent)
    path.parent.mkdir(exist_ok=True)
    with whole_folder(path) as partial:
        for name, group in tensors.items():
            safetensors.torch.save_file(untied_on_cpu(group), partial / f"{name}.safetensors")
        (partial / VALUES).write_text(json.dumps(values), encoding="utf-8")
        files = {file.name: _measure(file) for file in sorted(partial.iterdir())}
        manifest = {**facts, "files": files}
        sealed = {"sha256": _digest(manifest), "manifest": manifest}
        (partial / MANIFEST).write_text(json.dumps(sealed, indent=1, ensure_ascii=False), encoding="utf-8")


def delete_all_except(folder: Path, kept: Collection[Path]) -> None:
    """Remove the checkpoints of a folder but those `kept`, and those that were being written when a run was killed."""
    for path in folder.iterdir():
        ours = _NAME.fullmatch(path.name.removeprefix(".").removesuffix(".partial"))
        if ours and path not in kept and not path.is_symlink():
            shutil.rmtree(path)


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, unread, the newest first."""
    if not folder.is_dir():
        return []
    named = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda one: (int(one[0][1]), bool(one[0][2])), reverse=True)]


def read(path: Path) -> Checkpoint:
    """A checkpoint whose every file is as it was written. Raises CheckpointError with the file and what is wrong."""
    try:
        sealed = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        manifest = sealed["manifest"]
        if sealed["sha256"] != _digest(manifest):
            raise CheckpointError(f"{path.name}/{MANIFEST} has changed since it was written")
        for name, measured in manifest["files"].items():
            _check(path / name, measured)
    except OSError as error:
        where = Path(error.filename or path).name
        raise CheckpointError(f"{path.name}/{where} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name}/{MANIFEST} is damaged") from error
    return Checkpoint(path, manifest)


def untied_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same values in memory of the CPU, no two tensors in the same: safetensors takes no others."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        found[name] = own.clone() if place in seen else own
        seen.add(place)
    return found


def _check(file: Path, wanted: Mapping[str, Any]) -> None:
    size = file.stat().st_size
    if size != wanted["bytes"]:
        raise CheckpointError(f"{file.parent.name}/{file.name} has {size} bytes of {wanted['bytes']}")
    if _measure(file) != wanted:
        raise CheckpointError(f"{file.parent.name}/{file.name} has changed since it was written")


def _measure(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def _digest(manifest: Any) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
