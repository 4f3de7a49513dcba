"""Where to train, and in what precision."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from xltransfer.errors import ConfigError, unknown

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one. Raises ConfigError for a device this machine lacks."""
    if name not in DEVICES:
        raise ConfigError([unknown("device", name, DEVICES)])
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            ["device: received 'cuda'; torch sees no GPU here; allowed: auto, cpu. 'xlt doctor' tells why."]
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def supports_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run in hardware or, on a CPU, in oneDNN's kernels."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """A context for forward passes. Raises ConfigError for a precision the device lacks."""
    if precision == "fp32":
        return nullcontext
    if not supports_bf16(device):
        raise ConfigError([f"precision: received 'bf16'; this {device.type} has no bf16 arithmetic; allowed: fp32."])
    return lambda: torch.autocast(device.type, torch.bfloat16)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most allocated on a GPU, or the process's largest resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
