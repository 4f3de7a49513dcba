"""xltransfer: cross-lingual transfer with representation transformation networks and meta-gradients.

Importing the package imports neither torch nor transformers; the names below are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from xltransfer.config import RunConfig
from xltransfer.errors import UserError
from xltransfer.registry import (
    register_backend,
    register_dataset,
    register_encoder,
    register_method,
    register_rtn,
    register_task,
)
from xltransfer.utils.version import __version__

if TYPE_CHECKING:
    from xltransfer.backends.base import Backend, BilevelProblem, Capabilities, MetaStep
    from xltransfer.datasets.base import Dataset
    from xltransfer.encoders.source import EncoderSource
    from xltransfer.methods.base import Method
    from xltransfer.rtns.base import RTN, RTNInfo
    from xltransfer.rtns.changes import Changes
    from xltransfer.tasks.base import Task
    from xltransfer.training.run import RunResult, resume, run

_LAZY = {
    "RTN": "xltransfer.rtns.base",
    "RTNInfo": "xltransfer.rtns.base",
    "Backend": "xltransfer.backends.base",
    "BilevelProblem": "xltransfer.backends.base",
    "Capabilities": "xltransfer.backends.base",
    "MetaStep": "xltransfer.backends.base",
    "Changes": "xltransfer.rtns.changes",
    "Dataset": "xltransfer.datasets.base",
    "EncoderSource": "xltransfer.encoders.source",
    "Method": "xltransfer.methods.base",
    "Task": "xltransfer.tasks.base",
    "RunResult": "xltransfer.training.run",
    "resume": "xltransfer.training.run",
    "run": "xltransfer.training.run",
}

__all__ = [
    "RTN",
    "Backend",
    "BilevelProblem",
    "Capabilities",
    "Changes",
    "Dataset",
    "EncoderSource",
    "MetaStep",
    "Method",
    "RTNInfo",
    "RunConfig",
    "RunResult",
    "Task",
    "UserError",
    "__version__",
    "register_backend",
    "register_dataset",
    "register_encoder",
    "register_method",
    "register_rtn",
    "register_task",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
