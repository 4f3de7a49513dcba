"""Execute the runs of a sweep on an engine: skip finished ones, retry lost ones, report failures."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from xltransfer.errors import Interrupted
from xltransfer.experiments.engines.local import Engine
from xltransfer.experiments.engines.worker import Job, Outcome
from xltransfer.experiments.runs import config_of
from xltransfer.experiments.sweeps.index import Planned, State, record_failure, states_of, write_index
from xltransfer.experiments.sweeps.progress import Progress
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.run_folder import METRICS_FILE

ATTEMPTS = 3
"""Of a run whose worker dies: each goes on from the last checkpoint."""
TICK = 0.5
"""Seconds between looks at signals and logs."""

Tell = Callable[[str], None]


@dataclass
class Told:
    """Where messages go: `progress` is of the moment, `warning` and `problem` are lines to keep."""

    progress: Tell = lambda text: None
    warning: Tell = lambda text: None
    problem: Tell = lambda text: None


@dataclass
class Runner:
    """Does the runs of a sweep in `folder`, `indexed` in all; `busy` are those that another process has."""

    name: str
    folder: Path
    engine: Engine
    threads: int | None = None
    told: Told = field(default_factory=Told)
    busy: set[str] = field(default_factory=set)
    indexed: list[Planned] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set)
    _warned: set[str] = field(default_factory=set)

    def run(self, runs: Sequence[Planned]) -> dict[str, State]:
        """Do what is not finished. Raises Interrupted, all that is running saved, upon SIGTERM or Ctrl-C."""
        states = states_of(self.folder, runs)
        self.indexed += runs
        jobs = [self._job(run) for run in {run.name: run for run in runs}.values()
                if states[run.name].kind != "finished" and run.name not in self._failed]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_index()
        stop = StopSignal()
        with stop.catch_signals(), stop.defer_signals():
            try:
                self._do(jobs, len(states), stop)
            except StopRequested:
                self.told.progress("stopping: runs finish the step and save")
                self.engine.stop()
                raise Interrupted("stopped; the same command goes on from here") from None
            except BaseException:
                self.engine.stop()
                raise
            finally:
                self._write_index()
        return states_of(self.folder, runs)

    def _write_index(self) -> None:
        write_index(self.folder, self.name, self.indexed, states_of(self.folder, self.indexed))

    def _job(self, run: Planned) -> Job:
        return Job(run.name, run.label, config_of(run.cell, run.seed, self.folder), str(Path.cwd()), self.threads)

    def _do(self, jobs: Sequence[Job], total: int, stop: StopSignal) -> None:
        waiting, running = deque(jobs), dict[Future[Outcome], Job]()
        lost: Counter[str] = Counter()
        progress = Progress(total, len(jobs), time.monotonic())
        while waiting or running:
            while waiting and len(running) < self.engine.slots:
                stop.check()
                job = waiting.popleft()
                running[self.engine.submit(job)] = job
            self.told.progress(progress.text(running.values()))
            for future in wait(running, timeout=TICK, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, self.engine.lost):
                    raise error
                stop.check()  # what died or stopped then is no fault of its own
                if _cut_off(future) and lost[job.name] < ATTEMPTS - 1:
                    lost[job.name] += 1
                    self.told.problem(f"{job.label}: its process {'died' if error else 'was stopped'}; it goes on from "
                                      "its last checkpoint")  # fmt: skip
                    waiting.appendleft(job)
                    continue
                self._ended(job, _outcome(future), progress)
                self._write_index()
            stop.check()

    def _ended(self, job: Job, outcome: Outcome, progress: Progress) -> None:
        if outcome.status == "finished" and not (Path(str(job.config.output)) / METRICS_FILE).is_file():
            outcome = Outcome("failed", "it was finished where this machine cannot see it: the folder of a sweep has "
                              "to be on storage that all its machines share; name one with --output.")  # fmt: skip
        for warning in outcome.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.told.warning(warning)
        progress.finished += outcome.status == "finished"
        if outcome.status == "failed":
            progress.failed += 1
            self._failed.add(job.name)
            record_failure(self.folder, job.name, outcome)
        if outcome.status == "busy":
            self.busy.add(job.name)


def _cut_off(future: Future[Outcome]) -> bool:
    return future.exception() is not None or future.result().status == "stopped"


def _outcome(future: Future[Outcome]) -> Outcome:
    """A run that was cut off too often has failed."""
    if not _cut_off(future):
        return future.result()
    error = future.exception()
    told = " ".join(f"{type(error).__name__}: {error}".split()) if error else "by SIGTERM"
    return Outcome("failed", f"its process ended {ATTEMPTS} times ({told}); memory may be short: fewer --workers")
