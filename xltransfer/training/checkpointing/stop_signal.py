"""Handle SIGTERM and Ctrl-C: record the signal, and stop the run where a checkpoint can be written."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from xltransfer.utils.processes import ALONE, Processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_UNTOUCHED = (signal.SIG_IGN, None)
"""Handlers that are not replaced: signals ignored, as for background jobs of a shell, or handled outside Python."""


class StopRequested(Exception):  # noqa: N818 - not an error
    """A signal requested that the run stops."""


class StopSignal:
    """Records a request to stop, in this or another process of the run. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.requested = False
        self.processes: Processes = ALONE
        self._deferred = False

    def check(self) -> None:
        """Raise StopRequested if any process received a signal. All processes must call it at the same points."""
        if self.processes.any(self.requested):
            raise StopRequested

    def check_if_alone(self) -> None:
        """Call `check` unless there are several processes, of which none may stop alone."""
        if self.processes.count == 1:
            self.check()

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Turn both signals into KeyboardInterrupt. Outside the main thread, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {number: handler for number, handler in before.items() if handler not in _UNTOUCHED}
        for number in before:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Only record the first signal, for `check`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        repeated, self.requested = self.requested, True
        if not self._deferred or (repeated and number == signal.SIGINT):
            raise KeyboardInterrupt
        if number == signal.SIGINT:  # os.write, because the interrupted code may hold the lock of a stream
            os.write(2, b"\nfinishing the step and saving; Ctrl-C again stops at once\n")
