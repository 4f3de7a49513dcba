"""Read and write checkpoints: folders `checkpoint/step-N` of safetensors and JSON files with SHA-256 hashes.

A checkpoint is written under a temporary name and renamed when everything is on disk. Only then are older ones
deleted. A process killed at any moment therefore leaves a readable checkpoint.
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
from xltransfer.utils.files import atomic_folder, refuse_link

FOLDER = "checkpoint"
VALUES_FILE = "state.json"
MANIFEST_FILE = "manifest.json"
_NAME = re.compile(r"step-(\d+)(-scored)?")
"""The last step of an epoch may be saved twice: before and after the epoch is scored."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files match their hashes. `metadata` holds version, configuration and digests of the data."""

    path: Path
    metadata: dict[str, Any]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Load the tensors of `NAME.safetensors`; empty if there is no such file."""
        file = self.path / f"{name}.safetensors"
        return safetensors.torch.load_file(file) if file.name in self.metadata["files"] else {}

    def values(self) -> dict[str, Any]:
        """Load everything that is not a tensor."""
        values: dict[str, Any] = json.loads((self.path / VALUES_FILE).read_text(encoding="utf-8"))
        return values


def checkpoint_name(step: int, scored: bool) -> str:
    """The folder name after `step` steps; `scored` if they complete an epoch whose dev score is saved too."""
    return f"step-{step:07d}{'-scored' if scored else ''}"


def write(
    path: Path, tensors: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any], metadata: Mapping[str, Any]
) -> None:
    """Write a checkpoint: one safetensors file per group of `tensors`, `values` as JSON, and the manifest."""
    refuse_link(path.parent)
    path.parent.mkdir(exist_ok=True)
    with atomic_folder(path) as partial:
        for name, group in tensors.items():
            safetensors.torch.save_file(untied_on_cpu(group), partial / f"{name}.safetensors")
        (partial / VALUES_FILE).write_text(json.dumps(values), encoding="utf-8")
        files = {file.name: _measure(file) for file in sorted(partial.iterdir())}
        manifest = {**metadata, "files": files}
        sealed = {"sha256": _digest(manifest), "manifest": manifest}
        (partial / MANIFEST_FILE).write_text(json.dumps(sealed, indent=1, ensure_ascii=False), encoding="utf-8")


def delete_all_except(folder: Path, kept: Collection[Path]) -> None:
    """Delete the other checkpoints of a folder, and those left incomplete by a killed process."""
    for path in folder.iterdir():
        ours = _NAME.fullmatch(path.name.removeprefix(".").removesuffix(".partial"))
        if ours and path not in kept and not path.is_symlink():
            shutil.rmtree(path)


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints of a folder without reading them, newest first."""
    if not folder.is_dir():
        return []
    named = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(named, key=lambda one: (int(one[0][1]), bool(one[0][2])), reverse=True)]


def read(path: Path) -> Checkpoint:
    """Open a checkpoint and verify the hash of every file. Raises CheckpointError with the file and the fault."""
    try:
        sealed = json.loads((path / MANIFEST_FILE).read_text(encoding="utf-8"))
        manifest = sealed["manifest"]
        if sealed["sha256"] != _digest(manifest):
            raise CheckpointError(f"{path.name}/{MANIFEST_FILE} has changed since it was written")
        for name, measured in manifest["files"].items():
            _verify(path / name, measured)
    except OSError as error:
        where = Path(error.filename or path).name
        raise CheckpointError(f"{path.name}/{where} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name}/{MANIFEST_FILE} is damaged") from error
    return Checkpoint(path, manifest)


def untied_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the CPU and clone those that share memory, which safetensors refuses to write."""
    seen: set[int] = set()
    copies = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().cpu().contiguous()
        address = copy.untyped_storage().data_ptr()
        copies[name] = copy.clone() if address in seen else copy
        seen.add(address)
    return copies


def _verify(file: Path, expected: Mapping[str, Any]) -> None:
    size = file.stat().st_size
    if size != expected["bytes"]:
        raise CheckpointError(f"{file.parent.name}/{file.name} has {size} bytes of {expected['bytes']}")
    if _measure(file) != expected:
        raise CheckpointError(f"{file.parent.name}/{file.name} has changed since it was written")


def _measure(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def _digest(manifest: Any) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
