"""Execute the runs of a sweep on a Ray cluster, local or existing."""

from __future__ import annotations

import logging
import os
import signal
import sys
from concurrent.futures import Future, wait
from contextlib import redirect_stdout
from types import TracebackType
from typing import Any

from xltransfer.errors import ConfigError
from xltransfer.experiments.engines.local import Engine
from xltransfer.experiments.engines.worker import Job, Outcome, execute

LOCAL = "local"
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Ray's default of 15 gives every other process priority
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's future default; unset, it warns each time
}


class RayEngine(Engine):
    """Ray tasks with `threads` cores and `gpus` each; the sweep's folder must be on shared storage.

    `address` is a cluster's address, `auto` for the cluster of this machine, `local` or None for a new one here.
    `slots` limits concurrent runs; None uses a whole cluster. Raises ConfigError without Ray or such a cluster.
    """

    def __init__(self, slots: int | None, threads: int, gpus: float | None = None, address: str | None = None) -> None:
        ray = _ray()
        super().__init__(slots or 0)
        self.lost = (  # type: ignore[misc]
            ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError, ray.exceptions.TaskCancelledError, ray.exceptions.RaySystemError,
        )  # fmt: skip
        self._ray = ray
        self._start = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False,
                       "configure_logging": False}  # fmt: skip
        if address in (None, LOCAL):
            self._start |= {"address": LOCAL, "num_cpus": self.slots * threads, "include_dashboard": False}
        self._options = {"num_cpus": threads, "num_gpus": gpus or 0, "max_retries": 0}
        self._references: dict[Future[Outcome], Any] = {}

    def __enter__(self) -> RayEngine:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            self._ray.init(**self._start)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                [f"address: received {self._start['address']!r}; Ray cannot start there: {reason}"]
            ) from error
        self.slots = self.slots or self._available_slots()
        self._stdout = redirect_stdout(sys.stderr)  # Ray reports dead processes on stdout, which is for results only
        self._stdout.__enter__()
        self._execute = self._ray.remote(**self._options)(execute_task)
        return self

    def _available_slots(self) -> int:
        """Return how many runs the cluster has cores and GPUs for, at least one."""
        there = self._ray.cluster_resources()
        wanted = {"CPU": self._options["num_cpus"], "GPU": self._options["num_gpus"]}
        return max(1, min(int(there.get(kind, 0) // need) for kind, need in wanted.items() if need))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stdout.__exit__(kind, error, trace)
        self._ray.shutdown()

    def submit(self, job: Job) -> Future[Outcome]:
        reference = self._execute.remote(job)
        future: Future[Outcome] = reference.future()
        self._references = {known: one for known, one in self._references.items() if not known.done()}
        self._references[future] = reference
        return future

    def stop(self) -> None:
        try:
            for reference in self._references.values():
                self._ray.cancel(reference)
            wait(self._references)
        except KeyboardInterrupt:
            for reference in self._references.values():
                self._ray.cancel(reference, force=True)
            raise


def execute_task(job: Job) -> Outcome:
    """Run `execute` in a Ray process, with SIGINT, by which Ray stops it, enabled."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return execute(job)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(["engine: ray is not installed; pip install 'xltransfer[distributed]', or leave --engine ray "
                           "out."]) from error  # fmt: skip
    return ray
