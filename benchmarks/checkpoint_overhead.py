"""Measure the cost of a checkpoint every 50 steps in a run of the embedded default.

    python benchmarks/checkpoint_overhead.py benchmarks/results/checkpoint-overhead.json

Each save is timed within runs that make them, as a share of the run's training time; the seconds of a save and of a
step are medians. Runs that never save take turns with them, which shows that nothing else became slower.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from xltransfer import RunConfig, run
from xltransfer.training.checkpointing.saver import CheckpointSaver
from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json

REPEATS, EVERY = 3, 50
NEVER = {"checkpoint_steps": 0, "checkpoint_minutes": 0}


def timed_saves() -> list[float]:
    """The seconds of every save from now on."""
    saves: list[float] = []
    save = CheckpointSaver.save

    def timed(self: CheckpointSaver) -> None:
        before, started = self._latest, time.perf_counter()
        save(self)
        if self._latest != before:
            saves.append(time.perf_counter() - started)

    CheckpointSaver.save = timed  # type: ignore[method-assign]
    return saves


def main(file: Path | None) -> None:
    """Run, print and write the figures."""
    saves = timed_saves()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        run(RunConfig(source_size=32, epochs=1, output=f"{folder}/warm-up"))
        for number in range(REPEATS):
            never = run(RunConfig.from_mapping({**NEVER, "output": f"{folder}/never-{number}"}))
            saves.clear()
            saved = run(RunConfig(checkpoint_steps=EVERY, checkpoint_minutes=None, output=f"{folder}/saved-{number}"))
            seconds = saved.metrics["seconds"]
            found.append({
                "steps": saved.metrics["steps"], "seconds": seconds, "seconds_never_saved": never.metrics["seconds"],
                "saves": len(saves), "seconds_of_a_save": statistics.median(saves),
                "share": sum(saves) / (seconds - sum(saves)),
            })  # fmt: skip
            print({name: round(value, 4) for name, value in found[-1].items()}, flush=True)
    share = statistics.median(one["share"] for one in found)
    print(f"saving every {EVERY} steps and at epochs' ends: {100 * share:.2f} % of the time without")
    if file is not None:
        write_json(file, {"every": EVERY, "share": share, "runs": found, "machine": environment()})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
