"""Device, precision, deterministic algorithms and memory use."""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch

from xltransfer.errors import ConfigError, unknown

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """Return the device; `auto` is the GPU if there is one. Raises ConfigError for a device this machine lacks."""
    if name not in DEVICES:
        raise ConfigError([unknown("device", name, DEVICES)])
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            ["device: received 'cuda'; torch sees no GPU here; allowed: auto, cpu. run 'xlt doctor' to see why."]
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def supports_bf16(device: torch.device) -> bool:
    """Whether the device computes bf16 matrix products in hardware, or a CPU in oneDNN's kernels."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return the autocast context for forward passes. Raises ConfigError for a precision the device lacks."""
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(["precision: received 'tf32'; it is a format of NVIDIA GPUs; allowed on a cpu: fp32, bf16."])
    if precision in ("fp32", "tf32"):
        return nullcontext
    if not supports_bf16(device):
        raise ConfigError([f"precision: received 'bf16'; this {device.type} has no bf16 arithmetic; allowed: fp32."])
    return lambda: torch.autocast(device.type, torch.bfloat16)


def set_matmul_precision(precision: str) -> None:
    """Allow or forbid TF32 in this process's fp32 matrix products on GPUs, in forward and backward passes."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """If `enabled`, use deterministic algorithms; torch raises RuntimeError for operations that have none.

    Raises ConfigError if CUDA has already started: cuBLAS reads its workspace setting from the environment then.
    """
    if not enabled:
        yield
        return
    if _CUBLAS not in os.environ and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        raise ConfigError([f"deterministic: CUDA has started in this process without {_CUBLAS}; set it to :4096:8 in "
                           "the environment before Python starts."])  # fmt: skip
    os.environ.setdefault(_CUBLAS, ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def cpu_name() -> str:
    """The CPU's name and its bf16 instructions, as far as the system reports them."""
    known = Path("/proc/cpuinfo")
    if not known.is_file():
        return platform.processor() or platform.machine()
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    formats = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())} ({', '.join(formats) or 'no bf16 products'})"


def numeric_environment(device: torch.device) -> dict[str, Any]:
    """What determines rounding and speed: the versions of torch and hardware, and the number of threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return {"torch": torch.__version__, "device": name, "threads": torch.get_num_threads()}


def reset_peak_memory() -> None:
    """Reset the counters that `peak_memory` reads, if the system allows it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def allocated_memory(device: torch.device) -> int:
    """Bytes that tensors hold on a GPU now, after what nobody refers to is freed; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    gc.collect()
    return torch.cuda.memory_allocated(device)


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes since `reset_peak_memory`: allocated on a GPU, or the resident set of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would include the memory of the parent process at the fork
        fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        return int(fields["VmHWM"].split()[0]) * 1024
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
