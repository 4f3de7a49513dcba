"""Errors that a user sees: of the input (exit status 2) and of the machine (exit status 1), each in one line."""

from __future__ import annotations

import difflib
import errno
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager


class UserError(Exception):
    """Input is at fault. The command line prints it as one line and exits with status 2."""


class ConfigError(UserError):
    """One or more faults of a configuration, reported together."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class DataError(UserError):
    """A data file, or one line of it, cannot be read; the message names the file and the line."""


class MissingSplitError(DataError):
    """A language's data has no such split, or none with labels."""


class EncoderError(UserError):
    """An encoder cannot be found, fetched or read, or its architecture is not in the layout table."""


class RegistryError(UserError):
    """A part is unknown, registered twice, or fails on import."""


class BackendError(UserError):
    """A backend (of a plugin, most likely) returned something other than the gradients of a step."""


class CheckpointError(UserError):
    """A run cannot be continued: its checkpoint is damaged, or of another configuration, version or data."""


class LockedError(UserError):
    """Another process is writing to the run folder."""


class TakenError(ConfigError):
    """The folder that a new run was to have exists."""


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal; the message says how to continue it."""


class NonFiniteError(UserError):
    """A loss or gradient norm is NaN or infinite; nothing was updated. `figures` holds the values so far."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self.figures = dict(figures)
        self.wrong = tuple(name for name, value in figures.items() if not math.isfinite(value))
        shown = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in figures.items())
        super().__init__(f"not finite: {', '.join(name.replace('_', ' ') for name in self.wrong)} ({shown})")


class FailedStepError(UserError):
    """Training cannot continue from a step; the run folder is kept, with what reproduces it."""


class NoMemoryError(UserError):
    """Memory is exhausted; the message names the options that lower what is needed."""


class MachineError(Exception):
    """The machine is at fault, for example a full disk; exit status 1."""


def require_finite(figures: Mapping[str, float]) -> None:
    """Raise NonFiniteError if a value is NaN or infinite."""
    if not all(map(math.isfinite, figures.values())):
        raise NonFiniteError(figures)


def did_you_mean(received: str, allowed: Iterable[str]) -> str:
    """Suggest the nearest allowed values, or return an empty string."""
    near = difflib.get_close_matches(received, list(allowed), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def unknown(what: str, received: object, allowed: Iterable[str]) -> str:
    """The message for a value outside a closed set."""
    names = sorted(allowed)
    return f"{what}: received {received!r}; allowed: {', '.join(names) or 'none'}.{did_you_mean(str(received), names)}"


_NO_MEMORY = re.compile(
    r"can't allocate memory|out of memory|not enough memory|cannot allocate memory|bad_alloc|alloc_cpu|"
    r"could not create a (memory|primitive)|CUBLAS_STATUS_ALLOC_FAILED|\b(mmap|alloc)\w* failed",
    re.IGNORECASE,
)
_LEFT_ALONE = re.compile(r"closed by peer|connection reset by peer|NCCL communicator was aborted", re.IGNORECASE)
_NUMBERED = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")
"""How libraries written in Rust (safetensors, tokenizers), and copies of folders, pass on a fault of the system."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_UNUSABLE = {errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST, errno.EINVAL, errno.EILSEQ}
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE}


@contextmanager
def readable_errors(batch_size: int | None = None) -> Iterator[None]:
    """Context that turns memory and storage errors into NoMemoryError, UserError or MachineError."""
    try:
        yield
    except Exception as error:
        explained = explain_machine_error(error, batch_size)
        if explained is None:
            raise
        raise explained from error


def explain_machine_error(error: BaseException, batch_size: int | None = None) -> UserError | MachineError | None:
    """Translate a memory or storage error for the user; None for any other error."""
    if isinstance(error, UserError | MachineError):
        return None
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(message)):
        return _no_memory(message, batch_size)
    if isinstance(error, RuntimeError) and _LEFT_ALONE.search(message):
        return MachineError(f"another process of this run has ended ({message[:160]}); its message is above, or in "
                            "its own log.")  # fmt: skip
    if isinstance(error, RuntimeError) and "use_deterministic_algorithms" in message:
        return UserError(f"deterministic: this device cannot repeat a step of this run bit for bit ({message[:200]}). "
                         "Drop --deterministic, or train on the cpu.")  # fmt: skip
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _NUMBERED.search(message)):
        number = int(found.group(1) or found.group(2))
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
    what = "a file" if file is None else shortened(repr(str(file)))
    reason = os.strerror(number)
    if number == errno.ENOMEM:
        return _no_memory(reason, batch_size)
    if number in _NO_SPACE:
        return MachineError(
            f"{what} cannot be written: {reason}. Free some space, or name an --output where there is some."
        )
    if number in _UNUSABLE and file is not None:
        return UserError(f"{what} cannot be used: {reason}. Name another file or folder.")
    if number in _FORBIDDEN:
        return UserError(f"{what} cannot be opened: {reason}. Name an --output that you may write to.")
    if number in _LOST:
        return UserError(f"{what}: {reason}; it may have been moved or removed while it was in use. Put it back.")
    if number == errno.EIO:
        return MachineError(f"{what}: {reason}. The disk or the network drive fails.")
    return None


def shortened(text: str) -> str:
    """Cut the middle out of a text that is too long for a message, such as a path."""
    return text if len(text) <= 160 else f"{text[:120]}...{text[-30:]}"
