"""Runs in forked processes that are killed and stopped, and damage to what they leave; for `soak.py`."""

from __future__ import annotations

import mmap
import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.errors import Interrupted, UserError
from xltransfer.training import loop
from xltransfer.training import run as running
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.progress import Reporter

PHASES = ("preparing", "training", "evaluating", "writing a checkpoint", "finishing")
REFUSED, TRACEBACK = 2, 1


class Phases:
    """The phase a child is in, in memory that parent and child share."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    @property
    def now(self) -> int:
        """An index into PHASES."""
        return self._shared[0]

    @now.setter
    def now(self, phase: int) -> None:
        self._shared[0] = phase

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Within: in that phase."""
        before, self.now = self.now, PHASES.index(name)
        try:
            yield
        finally:
            self.now = before

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Have a function or method be a phase."""
        original = getattr(owner, attribute)

        def watched(*arguments: Any, **named: Any) -> Any:
            with self.during(name):
                return original(*arguments, **named)

        setattr(owner, attribute, watched)

    def watch_all(self) -> None:
        """Of a run."""
        self.watch(running, "train", "training")
        self.watch(loop, "predict", "evaluating")
        self.watch(checkpoint, "write", "writing a checkpoint")
        self.watch(checkpoint, "delete_all_except", "writing a checkpoint")
        self.watch(running, "_finish", "finishing")


def start_child(action: Callable[[], object], errors: Path) -> int:
    """`action` in a forked process, what it prints in `errors`; its process id."""
    child = os.fork()
    if child:
        return child
    status = 0
    with errors.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            action()
        except UserError as error:
            os.write(2, f"{error}\n".encode())
            status = REFUSED
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            status = TRACEBACK
    os._exit(status)


def wait_for(child: int) -> int:
    """The exit status of a child, or less the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ended(child: int) -> bool:
    """Whether a child has ended; it is still to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def begin_or_resume(config: RunConfig) -> None:
    """What a user does after a kill: resume if there is a folder, else the same command again."""
    assert config.output is not None
    if Path(config.output).exists():
        running.resume(config.output)
    else:
        running.run(config)


def run_to(config: RunConfig, step: int) -> None:
    """A run stopped by SIGTERM after some steps."""

    class Stopping(Reporter):
        def step(self, done: int, losses: Any) -> None:
            if done == step:
                os.kill(os.getpid(), signal.SIGTERM)

    try:
        running.run(config, Stopping())
    except Interrupted:
        return


def damage(run_dir: Path, drawn: random.Random) -> str:
    """Damage a random file of a checkpoint, or the configuration; all checkpoints' in a third of the cases."""
    newest = checkpoint.list_checkpoints(run_dir / checkpoint.FOLDER)
    chosen = newest if drawn.random() < 1 / 3 else newest[:1]
    name = drawn.choice([*sorted(path.name for path in newest[-1].iterdir()), "config.yaml"])
    kind = drawn.choice(["cut", "flipped", "emptied", "removed"])
    files = [run_dir / name] if name == "config.yaml" else [path / name for path in chosen]
    for file in files:
        content = bytearray(file.read_bytes())
        if kind == "cut":
            file.write_bytes(content[: drawn.randrange(len(content))])
        elif kind == "flipped":
            content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
            file.write_bytes(content)
        elif kind == "emptied":
            file.write_bytes(b"")
        else:
            file.unlink()
    return f"{kind} {name} of {len(files)}"
