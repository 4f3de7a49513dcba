"""One run in several processes, started by `accelerate launch` or `torchrun`: Accelerate connects them.

Every process has the whole of θ, φ and their moments. Sharded ones (FSDP, DeepSpeed) would need three things: the
inner step θ − η g and v as shards, functional calls of the learner that gather them layer by layer in a pass that is
differentiated twice, and checkpoints put together from shards. Until then they are refused.
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
"""Numbers that are summed in one message."""


def connect_processes(config: RunConfig) -> Processes:
    """The processes that the launcher's environment tells of. Raises ConfigError for what they cannot do."""
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
    """What `accelerate launch` was told and a run does not take from there."""
    for variable, name in _SHARDED.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            yield (f"processes: received {name}, which shards the parameters; allowed: plain data-parallel processes, "
                   "each with the whole model: accelerate launch --multi_gpu, or torchrun. If memory is short: "
                   "--accumulate, --precision bf16, --activations recompute.")  # fmt: skip
    if "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ and "ACCELERATE_USE_CPU" in os.environ:
        yield ("processes: accelerate launch was told several processes, and has started one: on CPUs it leaves the "
               "rest to MPI. Use torchrun --nproc_per_node N -m xltransfer run ...")  # fmt: skip
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in ("no", config.precision):
        yield (f"precision: accelerate launch was told {precision!r} and the run {config.precision!r}; tell the run "
               f"alone: --precision {precision if precision == 'bf16' else 'bf16'}, --mixed_precision no.")  # fmt: skip
    pieces = int(os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1"))
    if pieces != 1:
        yield (f"accumulate: accelerate launch was told {pieces} gradient accumulation steps; tell the run: "
               f"--accumulate {pieces}.")  # fmt: skip


class AccelerateProcesses(Processes):
    """The processes of Accelerate's `PartialState`: gloo on CPUs, NCCL on GPUs, one of which is then this process's."""

    def __init__(self, cpu: bool) -> None:
        from accelerate import PartialState

        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # Accelerate would guess, and warn
        state = PartialState(cpu=cpu)
        self.number, self.count = state.process_index, state.num_processes
        self._device: torch.device = state.device
        atexit.register(_end)

    def total(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `Processes.total`."""
        # the loss of a piece without labels is a zero of a type of its own
        same = {name: tensor if tensor.dim() else tensor.double() for name, tensor in tensors.items()}
        found: dict[str, Tensor] = {}
        for names in _buckets(same):
            flat = torch.cat([same[name].reshape(-1) for name in names])
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat, [same[name].numel() for name in names])
            found |= {name: part.view_as(same[name]) for name, part in zip(names, parts, strict=True)}
        return {name: found[name].to(tensor.dtype) for name, tensor in tensors.items()}

    def any(self, flag: bool) -> bool:
        """See `Processes.any`."""
        told = torch.tensor(float(flag), device=self._device)
        torch.distributed.all_reduce(told)
        return bool(told)

    def gathered(self, values: list[Any]) -> list[Any]:
        """See `Processes.gathered`."""
        from accelerate.utils import gather_object

        found: list[Any] = gather_object(values)
        return found

    def from_first(self, action: Callable[[], T]) -> T:
        """See `Processes.from_first`."""
        from accelerate.utils import broadcast_object_list

        message: list[Any] = [None, None]
        if self.number == 0:
            message = list(_outcome(action))
        value, fault = broadcast_object_list(message)
        if fault is not None:
            raise fault
        told: T = value
        return told

    def together(self, action: Callable[[], T]) -> T:
        """See `Processes.together`."""
        value, fault = _outcome(action)
        faults = self.gathered([fault])
        for number, other in enumerate(faults):
            if fault is None and other is not None:
                raise type(other)(f"process {number}: {other}") from None
        if fault is not None:
            raise fault
        told: T = value
        return told


def _outcome(action: Callable[[], T]) -> tuple[Any, UserError | MachineError | None]:
    """What it returns, or its fault, told by one of two plain kinds."""
    try:
        return action(), None
    except UserError as error:
        return None, UserError(str(error))
    except MachineError as error:
        return None, MachineError(str(error))


def _buckets(tensors: dict[str, Tensor]) -> Iterator[list[str]]:
    """Names of tensors of one kind, together of a size that is worth a message."""
    kinds: dict[torch.dtype, list[str]] = {}
    for name, tensor in tensors.items():
        kinds.setdefault(tensor.dtype, []).append(name)
    for names in kinds.values():
        some: list[str] = []
        numbers = 0
        for name in names:
            some.append(name)
            numbers += tensors[name].numel()
            if numbers >= _BUCKET:
                yield some
                some, numbers = [], 0
        if some:
            yield some


def _end() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
