"""Kill runs and corrupt their files many times, and check that nothing is lost.

    python benchmarks/soak.py --kills 200 --seed 0 --json benchmarks/results/soak.json

Random valid configurations, each first run to its end without interruption. Then runs of them are killed by SIGKILL:
at a random time, or within a chosen phase (preparing, training, evaluating, writing a checkpoint, finishing), half of
them more than once; each is resumed and its files are compared with the uninterrupted run's, byte for byte, without the
fields of metrics.json that tell time and memory. Then files of stopped runs are cut, flipped, emptied or removed: the
run must be refused in one line, or end the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from interruptions import PHASES, REFUSED, Phases, begin_or_resume, damage, ended, run_to, start_child, wait_for
from rich.console import Console
from rich.table import Table

from xltransfer.config import RunConfig
from xltransfer.errors import UserError
from xltransfer.testing.runs import outcome
from xltransfer.training import run as running
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json

CHOICES: dict[str, list[Any]] = {
    "task": ["ner", "sentiment", "pos"],
    "method": ["metaxl", "metaxl", "joint-rtn", "joint", "target-only"],
    "rtn": ["mlp", "lowrank", "multi", "per-language", "transformer", "frozen"],
    "layer": [[2], [0], [1, 3]],
    "backend": ["func", "higher", "fd", "first-order"],
    "optimizer": ["adamw", "adam"],
    "weight_decay": [0.0, 0.1],
    "vocabulary": ["auto", "full"],
    "source": [["base"], ["base", "near"]],
    "mixing": ["concatenated", "proportional", "temperature", "per-language", "bandit"],
    "bucket": [False, True],
    "precision": ["fp32", "bf16"],
    "stratify": [False, True],
    "checkpoint_steps": [0, 1, 2, 3],
}
SIZES = {"epochs": 2, "source_size": 16, "target_size": 10, "batch_size": 8, "max_length": 32, "target": "far",
         "data_options": {"train": 40, "dev": 8, "test": 8}}  # fmt: skip


def random_configuration(drawn: random.Random) -> RunConfig:
    """A valid one."""
    while True:
        chosen = {name: drawn.choice(values) for name, values in CHOICES.items()}
        try:
            return RunConfig.from_mapping({**SIZES, **chosen}).validated()
        except UserError:
            continue


class Soak:
    """One soak: its random numbers, its folder, and what it has counted."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.drawn = random.Random(seed)
        self.folder = folder
        self.phases = Phases()
        self.phases.watch_all()
        self.counts: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.losses: list[dict[str, Any]] = []

    def whole(self, number: int) -> tuple[RunConfig, dict[str, bytes], float]:
        """A configuration, what its uninterrupted run leaves, and its seconds."""
        config = random_configuration(self.drawn)
        run_dir, started = self.folder / f"whole-{number}", time.monotonic()
        status = wait_for(start_child(lambda: running.run(_into(config, run_dir)), self.folder / "errors"))
        if status:
            raise SystemExit(f"an uninterrupted run failed: {config}\n{(self.folder / 'errors').read_text()}")
        return config, outcome(run_dir), time.monotonic() - started

    def kill_and_resume(self, config: RunConfig, wanted: dict[str, bytes], seconds: float, most: int) -> int:
        """One run, killed one to three times, then resumed to its end. Returns the number of kills."""
        run_dir = self.folder / "run"
        shutil.rmtree(run_dir, ignore_errors=True)
        config = _into(config, run_dir)
        done, times = 0, min(most, self.drawn.choice([1, 1, 2, 3]))
        for _ in range(times):
            status = self._killed(config, seconds)
            done += status == -signal.SIGKILL
            if status == -signal.SIGKILL:
                self._check_readable(config)
            elif status:
                self._lost(config, f"ended with {status} before its kill")
                return done
        self.counts["resumed runs"] += 1
        if wait_for(start_child(lambda: begin_or_resume(config), self.folder / "errors")):
            self._lost(config, "could not be resumed")
        else:
            self._compare(config, wanted)
        return done

    def _killed(self, config: RunConfig, seconds: float) -> int:
        """Run on until a random moment: of all its time, or of a phase. The exit status."""
        aimed = self.drawn.choice([None, *range(len(PHASES))])
        self.phases.now = 0
        child = start_child(lambda: begin_or_resume(config), self.folder / "errors")
        deadline = time.monotonic() + 3 * seconds + 10
        if aimed is None:
            time.sleep(self.drawn.uniform(0, seconds))
        else:
            passed_over = self.drawn.randrange(4)
            while time.monotonic() < deadline and not ended(child):
                if self.phases.now == aimed:
                    time.sleep(self.drawn.expovariate(200))
                    if self.phases.now == aimed and not passed_over:
                        break
                    passed_over = max(0, passed_over - 1)
                time.sleep(0.0005)
        phase = self.phases.now
        os.kill(child, signal.SIGKILL)
        status = wait_for(child)
        if status == -signal.SIGKILL:
            self.kills[PHASES[phase]] += 1
        return status

    def _check_readable(self, config: RunConfig) -> None:
        """What a kill has left can be read: metrics.json, or without it, as the run is unfinished, the checkpoint."""
        metrics = Path(str(config.output)) / "metrics.json"
        if metrics.exists():  # then the checkpoints may have been removed in part
            json.loads(metrics.read_text())
            return
        for newest in checkpoint.list_checkpoints(metrics.parent / checkpoint.FOLDER)[:1]:
            try:
                checkpoint.read(newest)
            except UserError as error:
                self._lost(config, f"newest checkpoint unreadable: {error}")

    def corrupt_and_resume(self, config: RunConfig, wanted: dict[str, bytes]) -> None:
        """Stop a run after some steps, damage a file of it, resume: refused in one line, or the same end."""
        run_dir = self.folder / "run"
        shutil.rmtree(run_dir, ignore_errors=True)
        config = _into(config, run_dir, checkpoint_steps=1)
        step = self.drawn.randint(2, 4)
        start_and_stop = start_child(lambda: run_to(config, step), self.folder / "errors")
        wait_for(start_and_stop)
        told = damage(run_dir, self.drawn)
        status = wait_for(start_child(lambda: running.resume(run_dir), self.folder / "errors"))
        self.counts["corruptions"] += 1
        if status == REFUSED:
            lines = (self.folder / "errors").read_text().strip().splitlines()
            self.counts["corruptions refused in one line"] += 1
            if not lines or not lines[-1].startswith(("resume:", "configuration")):
                self.counts["refused for another reason"] += 1
                self._lost(config, f"{told}: {lines}")
        elif status:
            self._lost(config, f"{told}: ended with status {status}")
        elif self._compare(config, wanted):
            self.counts["corruptions without effect, or the checkpoint before taken"] += 1

    def _compare(self, config: RunConfig, wanted: dict[str, bytes]) -> bool:
        found = outcome(Path(str(config.output)))
        differing = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
        if differing:
            self._lost(config, f"differs in {', '.join(sorted(differing))}")
        return not differing

    def _lost(self, config: RunConfig, what: str) -> None:
        errors = (self.folder / "errors").read_text(errors="replace")[-2000:]
        self.losses.append({"what": what, "config": config.to_dict(), "errors": errors})
        print(f"LOST: {what}\n{errors}", file=sys.stderr, flush=True)


def _into(config: RunConfig, run_dir: Path, **changes: Any) -> RunConfig:
    return RunConfig.from_mapping({**config.to_dict(), **changes, "output": str(run_dir)})


def main() -> None:
    """Soak, print and write the counts; exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--corruptions", type=int, default=None, help="default: half as many as kills")
    parser.add_argument("--configurations", type=int, default=None, help="default: one for ten kills, at least two")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the counts")
    arguments = parser.parse_args()
    _in_one_thread()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="xlt-soak-") as folder:
        os.environ["XLT_CACHE"] = f"{folder}/cache"
        _warm_up(Path(folder))
        soak = Soak(arguments.seed, Path(folder))
        configurations = arguments.configurations or max(2, arguments.kills // 10)
        _go(soak, arguments.kills, _or(arguments.corruptions, arguments.kills // 2), configurations)
    report = {
        "command": f"python benchmarks/soak.py --kills {arguments.kills} --seed {arguments.seed}",
        "configurations": configurations, "kills": sum(soak.kills.values()), "kills by phase": dict(soak.kills),
        **soak.counts, "lost": len(soak.losses), "losses": soak.losses,
        "seconds": round(time.monotonic() - started, 1), "machine": environment(),
    }  # fmt: skip
    _print(report)
    if arguments.json:
        write_json(arguments.json, report)
    sys.exit(bool(soak.losses))


def _in_one_thread() -> None:
    """Start anew unless torch was imported with one thread: a child of a process with more would hang.

    `torch.set_num_threads` would not do: every thread of a child then asks for a pool that a fork has lost, and when
    two ask at once torch ends with "Invalid thread pool!".
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def _warm_up(folder: Path) -> None:
    """Import here what a run imports, so that no child has to."""
    for task in CHOICES["task"]:
        run_dir = folder / f"warm-{task}"
        running.run(_into(RunConfig.from_mapping({**SIZES, "task": task, "epochs": 1}), run_dir))
        running.resume(run_dir)
        shutil.rmtree(run_dir)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _go(soak: Soak, kills: int, corruptions: int, configurations: int) -> None:
    """Spread kills and corruptions over the configurations."""
    done = 0
    for number in range(configurations):
        config, wanted, seconds = soak.whole(number)
        goal = kills * (number + 1) // configurations
        while done < goal:
            done += soak.kill_and_resume(config, wanted, seconds, goal - done)
        share = corruptions * (number + 1) // configurations - corruptions * number // configurations
        for _ in range(share):
            soak.corrupt_and_resume(config, wanted)
        told = (
            f"{config.task}, {config.method}, {config.rtn} at {list(config.layer)}, {config.backend}, {config.mixing}"
        )
        print(
            f"{number + 1}/{configurations} {told}: {done} kills, {len(soak.losses)} lost", file=sys.stderr, flush=True
        )


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"soak: {report['seconds']:.0f} s")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, value in report.items():
        if name == "kills by phase":
            for phase in PHASES:
                table.add_row(f"  while {phase}", str(value.get(phase, 0)))
        elif isinstance(value, int):
            table.add_row(name, str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
