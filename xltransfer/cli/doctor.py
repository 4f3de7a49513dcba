"""`xlt doctor`: report what this machine can run."""

from __future__ import annotations

import importlib.util
import json
from typing import Annotated, Any

from xltransfer.cli.options import switch

_EXTRAS = {
    "openpyxl": ("spreadsheets", "pip install 'xltransfer[xlsx]'"),
    "accelerate": ("several processes", "pip install 'xltransfer[distributed]'"),
    "ray": ("sweeps on a cluster", "pip install 'xltransfer[distributed]'"),
    "optuna": ("searches", "pip install 'xltransfer[search]'"),
    "tensorboard": ("--track tensorboard", "pip install 'xltransfer[track]'"),
    "wandb": ("--track wandb", "pip install wandb"),
    "umap": ("--projection umap", "pip install umap-learn"),
}
"""Modules that a feature needs: what it is, and how to get it."""


def command(as_json: Annotated[bool, switch("--json", help="print one JSON object")] = False) -> None:
    """Diagnose."""
    report = diagnosis()
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:<12} {', '.join(map(str, value)) if isinstance(value, list) else value}")


def diagnosis() -> dict[str, Any]:
    """Collect what this machine has, what it can run, and what to install for the rest."""
    import torch

    from xltransfer.encoders.tiny import Tiny
    from xltransfer.errors import UserError
    from xltransfer.registry import BACKENDS
    from xltransfer.training.device import supports_bf16
    from xltransfer.training.run_folder import environment

    machine = environment()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    bf16 = [name for name in devices if supports_bf16(torch.device(name))]
    backends, missing = [], []
    for name in BACKENDS.names():
        try:
            BACKENDS.load(name)
            backends.append(name)
        except UserError as error:
            missing.append(str(error))
    for module, (what, remedy) in _EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            missing.append(f"{what}: {remedy}")
    return {
        "python": machine["python"],
        "platform": machine["platform"],
        "cores": machine["cores"],
        "gpus": machine["gpus"] or ["none"],
        "packages": [f"{name} {version}" for name, version in machine["packages"].items()],
        "devices": devices,
        "bf16 on": bf16 or ["none"],
        "backends": backends,
        "tiny encoder": "ready" if (Tiny.folder / "model.safetensors").is_file() else "missing",
        "missing": missing or ["nothing"],
    }
