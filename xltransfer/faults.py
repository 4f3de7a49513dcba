"""Faults of memory, storage and arithmetic, told in one line instead of a traceback."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from xltransfer.errors import MachineError, NoMemoryError, UserError

_NO_MEMORY = re.compile(
    r"can't allocate memory|out of memory|not enough memory|cannot allocate memory|bad_alloc|alloc_cpu|"
    r"could not create a (memory|primitive)|CUBLAS_STATUS_ALLOC_FAILED|\b(mmap|alloc)\w* failed",
    re.IGNORECASE,
)
_LEFT_ALONE = re.compile(r"closed by peer|connection reset by peer|NCCL communicator was aborted", re.IGNORECASE)
_NUMBERED = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust (safetensors, tokenizers) pass on a fault of the system."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE}


@contextmanager
def told_in_one_line(batch_size: int | None = None) -> Iterator[None]:
    """Within: faults of memory and storage become NoMemoryError, UserError or MachineError."""
    try:
        yield
    except Exception as error:
        told = explained(error, batch_size)
        if told is None:
            raise
        raise told from error


def explained(error: BaseException, batch_size: int | None = None) -> UserError | MachineError | None:
    """What such a fault means to the user, or None for any other error."""
    if isinstance(error, UserError | MachineError):
        return None
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(message)):
        return _no_memory(message, batch_size)
    if isinstance(error, RuntimeError) and _LEFT_ALONE.search(message):
        return MachineError(f"another process of this run has ended ({message[:160]}); what it said is above, or in "
                            "its own log.")  # fmt: skip
    if isinstance(error, RuntimeError) and "use_deterministic_algorithms" in message:
        return UserError(f"deterministic: this device cannot repeat a step of this run bit for bit ({message[:200]}). "
                         "Drop --deterministic, or train on the cpu.")  # fmt: skip
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _NUMBERED.search(message)):
        number = int(found.group(1))
    return None if number is None else _storage(error, number, batch_size)


def _no_memory(message: str, batch_size: int | None) -> NoMemoryError:
    now = "" if batch_size is None else f" at --batch-size {batch_size}"
    return NoMemoryError(
        f"memory is exhausted{now} ({message[:160] or 'MemoryError'}). To need less: a smaller --batch-size or "
        "--max-length, --precision bf16, --activations recompute, --backend func --backend-opt mode=forward, or a "
        "smaller encoder."
    )


def _storage(error: BaseException, number: int, batch_size: int | None) -> UserError | MachineError | None:
    file = getattr(error, "filename", None)
    what = "a file" if file is None else repr(str(file))
    reason = os.strerror(number)
    if number == errno.ENOMEM:
        return _no_memory(reason, batch_size)
    if number in _NO_SPACE:
        return MachineError(
            f"{what} cannot be written: {reason}. Free some space, or name an --output where there is some."
        )
    if number in _FORBIDDEN:
        return UserError(f"{what} cannot be opened: {reason}. Name an --output that you may write to.")
    if number in _LOST:
        return UserError(f"{what}: {reason}; it may have been moved or removed while it was in use. Put it back.")
    if number == errno.EIO:
        return MachineError(f"{what}: {reason}. The disk or the network drive fails.")
    return None
