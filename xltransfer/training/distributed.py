"""Data-parallel training in processes started by `accelerate launch` or `torchrun`, connected by Accelerate.

Every process holds all of θ, φ and their moments. Sharded parameters (FSDP, DeepSpeed) are refused. They would need
three things: the inner step θ − η g and v as shards, functional calls of the learner that gather shards layer by layer
in a pass that is differentiated twice, and checkpoints assembled from shards.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError, MachineError, UserError
from xltransfer.registry.compatibility import piece_faults
from xltransfer.utils.processes import ALONE, Processes, launched_count

T = TypeVar("T")
_SHARDED = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
            "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}  # fmt: skip
_BUCKET = 1 << 23
"""Elements that are summed in one all-reduce."""


def connect_processes(config: RunConfig) -> Processes:
    """Connect the processes of the launcher, found in the environment. Raises ConfigError for unsupported settings."""
    count = launched_count()
    if faults := list(_launcher_faults(config)):
        raise ConfigError(faults)
    if count == 1:
        return ALONE
    faults = piece_faults(config, count)
    if importlib.util.find_spec("accelerate") is None:
        faults.append(f"processes: {count} were started, and Accelerate, which connects them, is not installed. Run: "
                      "pip install 'xltransfer[distributed]'")  # fmt: skip
    if faults:
        raise ConfigError(faults)
    return AccelerateProcesses(cpu=config.device == "cpu" or not torch.cuda.is_available())


def _launcher_faults(config: RunConfig) -> Iterator[str]:
    """Settings of `accelerate launch` that a run does not support or reads from its own configuration."""
    for variable, name in _SHARDED.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            yield (f"processes: received {name}, which shards the parameters; allowed: plain data-parallel processes, "
                   "each with the whole model: accelerate launch --multi_gpu, or torchrun. If memory is short: "
                   "--accumulate, --precision bf16, --activations recompute.")  # fmt: skip
    if "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ and "ACCELERATE_USE_CPU" in os.environ:
        yield ("processes: accelerate launch was set to several processes, and has started one: on CPUs it leaves "
               "the rest to MPI. Use torchrun --nproc_per_node N -m xltransfer run ...")  # fmt: skip
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in ("no", config.precision):
        yield (f"precision: accelerate launch was set to {precision!r} and the run to {config.precision!r}; set it "
               "for the run only: --precision bf16, --mixed_precision no.")  # fmt: skip
    pieces = int(os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1"))
    if pieces != 1:
        yield (f"accumulate: accelerate launch was set to {pieces} gradient accumulation steps; set it for the run: "
               f"--accumulate {pieces}.")  # fmt: skip


class AccelerateProcesses(Processes):
    """The processes of Accelerate's `PartialState`: gloo on CPUs; NCCL on GPUs, with one GPU per process."""

    def __init__(self, cpu: bool) -> None:
        from accelerate import PartialState

        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # or Accelerate guesses and warns
        state = PartialState(cpu=cpu)
        self.number, self.count = state.process_index, state.num_processes
        self._device: torch.device = state.device
        atexit.register(_disconnect)

    def total(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        # the loss of a piece without labels is a zero that may have another dtype
        same = {name: tensor if tensor.dim() else tensor.double() for name, tensor in tensors.items()}
        found: dict[str, Tensor] = {}
        for names in _buckets(same):
            flat = torch.cat([same[name].reshape(-1) for name in names])
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat, [same[name].numel() for name in names])
            found |= {name: part.view_as(same[name]) for name, part in zip(names, parts, strict=True)}
        return {name: found[name].to(tensor.dtype) for name, tensor in tensors.items()}

    def any(self, flag: bool) -> bool:
        count = torch.tensor(float(flag), device=self._device)
        torch.distributed.all_reduce(count)
        return bool(count)

    def gathered(self, values: list[Any]) -> list[Any]:
        from accelerate.utils import gather_object

        found: list[Any] = gather_object(values)
        return found

    def from_first(self, action: Callable[[], T]) -> T:
        from accelerate.utils import broadcast_object_list

        message: list[Any] = [None, None]
        if self.number == 0:
            message = list(_outcome(action))
        value, fault = broadcast_object_list(message)
        if fault is not None:
            raise fault
        result: T = value
        return result

    def together(self, action: Callable[[], T]) -> T:
        value, fault = _outcome(action)
        faults = self.gathered([fault])
        for number, other in enumerate(faults):
            if fault is None and other is not None:
                raise type(other)(f"process {number}: {other}") from None
        if fault is not None:
            raise fault
        result: T = value
        return result


def _outcome(action: Callable[[], T]) -> tuple[Any, UserError | MachineError | None]:
    """Return the result of `action`, or its error as one of two classes that can be sent between processes."""
    try:
        return action(), None
    except UserError as error:
        return None, UserError(str(error))
    except MachineError as error:
        return None, MachineError(str(error))


def _buckets(tensors: dict[str, Tensor]) -> Iterator[list[str]]:
    """Group tensors of the same dtype into buckets of at least `_BUCKET` elements, all but the last."""
    by_dtype: dict[torch.dtype, list[str]] = {}
    for name, tensor in tensors.items():
        by_dtype.setdefault(tensor.dtype, []).append(name)
    for names in by_dtype.values():
        bucket: list[str] = []
        for name in names:
            bucket.append(name)
            if sum(tensors[member].numel() for member in bucket) >= _BUCKET:
                yield bucket
                bucket = []
        if bucket:
            yield bucket


def _disconnect() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
