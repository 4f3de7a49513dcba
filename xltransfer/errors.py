"""Errors that are the user's to mend: what was received, what is allowed, what to do."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence


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
    """A loss or a gradient norm is NaN or infinite; nothing was updated. `figures` are those known by then."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self.figures = dict(figures)
        self.wrong = tuple(name for name, value in figures.items() if not math.isfinite(value))
        shown = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in figures.items())
        super().__init__(f"not finite: {', '.join(name.replace('_', ' ') for name in self.wrong)} ({shown})")


class FailedStepError(UserError):
    """Training cannot go on from a step; the run folder holds what reproduces it, and is kept."""


class NoMemoryError(UserError):
    """Memory is exhausted; the message names the options that lower what is needed."""


class MachineError(Exception):
    """The machine is at fault, not the input: a full disk, say. One line too, and exit status 1."""


def require_finite(figures: Mapping[str, float]) -> None:
    """Raises NonFiniteError if one of them is NaN or infinite."""
    if not all(map(math.isfinite, figures.values())):
        raise NonFiniteError(figures)


def did_you_mean(received: str, allowed: Iterable[str]) -> str:
    """A hint naming the nearest allowed values, or an empty string."""
    near = difflib.get_close_matches(received, list(allowed), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def unknown(what: str, received: object, allowed: Iterable[str]) -> str:
    """The message for a value outside a closed set."""
    names = sorted(allowed)
    return f"{what}: received {received!r}; allowed: {', '.join(names) or 'none'}.{did_you_mean(str(received), names)}"
