"""Execute one run in a worker process and report its outcome.

Imports no torch: the number of threads has to be in the environment before that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xltransfer.errors import LockedError, MachineError, TakenError, UserError

if TYPE_CHECKING:
    from xltransfer.config import RunConfig


@dataclass(frozen=True)
class Job:
    """A run to execute. `name` is its folder's; paths in `config` are relative to `folder`."""

    name: str
    label: str
    config: RunConfig
    folder: str
    threads: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `busy`: another process is running it. `error` is one line."""

    status: Literal["finished", "failed", "stopped", "busy"]
    error: str = ""
    traceback: str = ""
    warnings: tuple[str, ...] = ()


def execute(job: Job) -> Outcome:
    """Start or resume a run. Returns errors as outcomes; never raises them."""
    warnings: dict[str, None] = {}
    try:
        os.chdir(job.folder)
    except OSError as error:
        return Outcome("failed", f"the folder that the sweep was begun in cannot be entered here ({error.strerror}): "
                       "it has to be on storage that all machines share.")  # fmt: skip
    try:
        _train(job, warnings)
        return Outcome("finished", warnings=tuple(warnings))
    except KeyboardInterrupt:
        return Outcome("stopped", warnings=tuple(warnings))
    except (LockedError, TakenError) as error:
        return Outcome("busy", str(error))
    except (UserError, MachineError) as error:
        return Outcome("failed", " ".join(str(error).split()), warnings=tuple(warnings))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome("failed", reason, traceback.format_exc(), tuple(warnings))


def _train(job: Job, warnings: dict[str, None]) -> None:
    import torch

    from xltransfer.training.progress import Reporter
    from xltransfer.training.run import load_or_run

    class Warned(Reporter):
        def warn(self, message: str) -> None:
            warnings[message] = None

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    load_or_run(job.config, Warned())


def initialise_worker(threads: int | None) -> None:
    """Initialise a worker process: set its threads, and stop it when the driver ends."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    driver = multiprocessing.parent_process()
    assert driver is not None
    threading.Thread(target=_stop_after, args=(driver.join,), daemon=True).start()


def _stop_after(until_driver_ends: Callable[[], None]) -> None:
    until_driver_ends()
    os.kill(os.getpid(), signal.SIGTERM)
