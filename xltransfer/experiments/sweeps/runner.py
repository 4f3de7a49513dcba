"""Execute the runs of a sweep on an engine: skip finished ones, retry lost ones, report failures."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from xltransfer.errors import Interrupted
from xltransfer.experiments.engines.local import Engine
from xltransfer.experiments.engines.worker import Job, Outcome
from xltransfer.experiments.runs import run_config
from xltransfer.experiments.sweeps.index import PlannedRun, State, epoch_of, record_failure, states_of, write_index
from xltransfer.training.checkpointing.stop_signal import StopRequested, StopSignal
from xltransfer.training.run_folder import METRICS_FILE

ATTEMPTS = 3
"""Attempts of a run whose worker dies; each resumes from the last checkpoint."""
TICK = 0.5
"""Seconds between checks of signals and logs."""
_NAMED = 4
"""Running runs whose names are shown."""

Output = Callable[[str], None]


@dataclass
class Messages:
    """Callbacks for messages: `progress` overwrites the last one, `warning` and `problem` are permanent lines."""

    progress: Output = lambda text: None
    warning: Output = lambda text: None
    problem: Output = lambda text: None


@dataclass
class Progress:
    """Progress of `total` runs: `todo` were left when this call began; `finished` and `failed` count since then."""

    total: int
    todo: int
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    failed: int = 0

    def text(self, running: Collection[Job]) -> str:
        """Describe the progress in one line, from the logs of running runs."""
        epochs = {job.name: epoch_of(Path(str(job.config.output))) for job in running}
        named = [f"{job.label} (epoch {min(epochs[job.name][0] + epochs[job.name][1] or 1, job.config.epochs)} of "
                 f"{job.config.epochs})" for job in list(running)[:_NAMED]]  # fmt: skip
        more = ", ..." if len(running) > _NAMED else ""
        parts = [f"{self.total - self.todo + self.finished} of {self.total} done"]
        parts += [f"{self.failed} failed"] if self.failed else []
        text = ", ".join(parts)
        if running:
            text += f"; {len(running)} running: {', '.join(named)}{more}"
        done = sum((epoch - (not scored)) / job.config.epochs
                   for job in running for epoch, scored in [epochs[job.name]] if epoch)  # fmt: skip
        return text + self._left(done + self.finished + self.failed)

    def _left(self, done: float) -> str:
        if done <= 0 or done >= self.todo:
            return ""
        seconds = (time.monotonic() - self.began) / done * (self.todo - done)
        return f"; about {seconds / 60:.0f} min left" if seconds >= 90 else f"; about {seconds:.0f} s left"


@dataclass
class Runner:
    """Executes the runs of a sweep in `folder`. `indexed` are all known runs, `busy` those of another process."""

    name: str
    folder: Path
    engine: Engine
    threads: int | None = None
    messages: Messages = field(default_factory=Messages)
    busy: set[str] = field(default_factory=set)
    indexed: list[PlannedRun] = field(default_factory=list)
    _failed: set[str] = field(default_factory=set)
    _warned: set[str] = field(default_factory=set)

    def run(self, runs: Sequence[PlannedRun]) -> dict[str, State]:
        """Execute unfinished runs. Upon SIGTERM or Ctrl-C, saves running ones and raises Interrupted."""
        states = states_of(self.folder, runs)
        self.indexed += runs
        jobs = [self._job(run) for run in {run.name: run for run in runs}.values()
                if states[run.name].kind != "finished" and run.name not in self._failed]  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_index()
        stop = StopSignal()
        with stop.catch_signals(), stop.defer_signals():
            try:
                self._execute_jobs(jobs, len(states), stop)
            except StopRequested:
                self.messages.progress("stopping: runs finish the step and save")
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

    def _job(self, run: PlannedRun) -> Job:
        return Job(run.name, run.label, run_config(run.cell, run.seed, self.folder), str(Path.cwd()), self.threads)

    def _execute_jobs(self, jobs: Sequence[Job], total: int, stop: StopSignal) -> None:
        waiting, running = deque(jobs), dict[Future[Outcome], Job]()
        lost: Counter[str] = Counter()
        progress = Progress(total, len(jobs), time.monotonic())
        while waiting or running:
            while waiting and len(running) < self.engine.slots:
                stop.check()
                job = waiting.popleft()
                running[self.engine.submit(job)] = job
            self.messages.progress(progress.text(running.values()))
            for future in wait(running, timeout=TICK, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, self.engine.lost):
                    raise error
                stop.check()  # after a stop signal, a dead worker is not a failed run
                if _cut_off(future) and lost[job.name] < ATTEMPTS - 1:
                    lost[job.name] += 1
                    self.messages.problem(f"{job.label}: its process {'died' if error else 'was stopped'}; it goes on "
                                          "from its last checkpoint")  # fmt: skip
                    waiting.appendleft(job)
                    continue
                self._record_outcome(job, _outcome(future), progress)
                self._write_index()
            stop.check()

    def _record_outcome(self, job: Job, outcome: Outcome, progress: Progress) -> None:
        if outcome.status == "finished" and not (Path(str(job.config.output)) / METRICS_FILE).is_file():
            outcome = Outcome("failed", "it was finished where this machine cannot see it: the folder of a sweep has "
                              "to be on storage that all its machines share; name one with --output.")  # fmt: skip
        for warning in outcome.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.messages.warning(warning)
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
    """Return the outcome; a run that was cut off too often has failed."""
    if not _cut_off(future):
        return future.result()
    error = future.exception()
    reason = " ".join(f"{type(error).__name__}: {error}".split()) if error else "by SIGTERM"
    return Outcome("failed", f"its process ended {ATTEMPTS} times ({reason}); memory may be short: fewer --workers")
