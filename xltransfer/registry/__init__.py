"""Find parts (RTNs, backends, encoders, tasks, datasets, methods) by name, without importing them first."""

from xltransfer.registry.base import Entry, Registry
from xltransfer.registry.builtin import (
    BACKENDS,
    DATASETS,
    ENCODERS,
    METHODS,
    REGISTRIES,
    RTNS,
    TASKS,
    register_backend,
    register_dataset,
    register_encoder,
    register_method,
    register_rtn,
    register_task,
)
from xltransfer.registry.plugins import load_plugin
from xltransfer.registry.values import Bounds

__all__ = [
    "BACKENDS",
    "DATASETS",
    "ENCODERS",
    "METHODS",
    "REGISTRIES",
    "RTNS",
    "TASKS",
    "Bounds",
    "Entry",
    "Registry",
    "load_plugin",
    "register_backend",
    "register_dataset",
    "register_encoder",
    "register_method",
    "register_rtn",
    "register_task",
]
