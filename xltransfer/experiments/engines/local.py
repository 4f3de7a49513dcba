"""The contract of an engine (jobs in, futures of outcomes out), and processes on this machine."""

from __future__ import annotations

import multiprocessing
from abc import ABC, abstractmethod
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import ClassVar

from pebble import ProcessExpired, ProcessPool
from pebble.pool.process import WORKERS_NAME

from xltransfer.experiments.engines.worker import Job, Outcome, execute, initialise_worker


class Engine(ABC):
    """Executes runs in a number of slots. A context manager; call `stop` first if runs are active."""

    lost: ClassVar[tuple[type[BaseException], ...]]
    """Exceptions of a future whose worker died, as opposed to a run that failed."""

    def __init__(self, slots: int) -> None:
        self.slots = slots

    def __enter__(self) -> Engine:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def submit(self, job: Job) -> Future[Outcome]:
        """Start a run. The caller submits at most `slots` at a time."""

    @abstractmethod
    def stop(self) -> None:
        """Ask all runs to save a checkpoint and wait; KeyboardInterrupt ends them at once."""


class LocalEngine(Engine):
    """Reused processes on this machine; one that dies is replaced."""

    lost = (ProcessExpired, BrokenProcessPool)

    def __init__(self, slots: int, threads: int | None) -> None:
        super().__init__(slots)
        self._threads = threads
        self._futures: list[Future[Outcome]] = []
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in an undefined state
        return ProcessPool(self.slots, initializer=initialise_worker, initargs=(self._threads,), context=context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def submit(self, job: Job) -> Future[Outcome]:
        try:
            found: Future[Outcome] = self._pool.schedule(execute, args=(job,))
        except RuntimeError:  # broken: the last process that was alive has died between two runs
            self._end()
            self._pool = self._new_pool()
            found = self._pool.schedule(execute, args=(job,))
        self._futures = [*(future for future in self._futures if not future.done()), found]
        return found

    def stop(self) -> None:
        workers = [process for process in multiprocessing.active_children() if process.name == WORKERS_NAME]
        try:
            for worker in workers:
                worker.terminate()  # SIGTERM, upon which a run saves; the pool's own way kills after some seconds
            wait(self._futures)
        except KeyboardInterrupt:
            for worker in workers:
                worker.kill()
            raise
