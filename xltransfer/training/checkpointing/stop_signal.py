"""SIGTERM and Ctrl-C: noted while a run trains, and acted upon where it can be saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from xltransfer.utils.processes import ALONE, Processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LEFT = (signal.SIG_IGN, None)
"""Handlers that are left alone: signals ignored, as in a shell's background, or handled outside Python."""


class StopRequested(Exception):  # noqa: N818 - not a fault
    """A signal has asked the run to stop."""


class StopSignal:
    """Whether a signal has asked to stop, here or in another of a run's processes. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.requested = False
        self.processes: Processes = ALONE
        self._deferred = False

    def check(self) -> None:
        """Raises StopRequested if a signal has come. All processes call it at the same points."""
        if self.processes.any(self.requested):
            raise StopRequested

    def check_if_alone(self) -> None:
        """The same between points that processes reach together: of several, none may leave alone."""
        if self.processes.count == 1:
            self.check()

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Within: signals raise KeyboardInterrupt. In another thread than the main one they are left as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {number: handler for number, handler in before.items() if handler not in _LEFT}
        for number in before:
            signal.signal(number, self._received)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Within: the first signal is only noted, for `check`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _received(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if not self._deferred or (again and number == signal.SIGINT):
            raise KeyboardInterrupt
        if number == signal.SIGINT:  # os.write: the streams' own locks may be held by what is interrupted
            os.write(2, b"\nfinishing the step and saving; Ctrl-C again stops at once\n")
