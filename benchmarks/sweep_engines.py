"""Compare one sweep on every engine: scores, lost runs, and the speed-up of two concurrent runs.

    python benchmarks/sweep_engines.py --json benchmarks/results/sweep-engines.json

4 methods × 2 targets × 3 seeds on the embedded languages: one run at a time; two at a time; the same with one of the
processes killed by SIGKILL in the middle of a run; and on a Ray of its own. Every test score must be equal, and a
second call must do nothing. Wall time is that of the whole command, start of the processes included.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json

METHODS = ["target-only", "joint", "joint-rtn", "metaxl"]
FULL: dict[str, Any] = {
    "values": {"epochs": 2, "source_size": 300, "target_size": 50},
    "grid": {"method": METHODS, "target": ["far", "mid"]},
    "seeds": [0, 1, 2],
}
SMALL: dict[str, Any] = {
    "values": {"epochs": 1, "source_size": 48, "target_size": 8, "batch_size": 8, "checkpoint_steps": 1,
               "data_options": {"train": 60, "dev": 10, "test": 30}},
    "grid": {"method": METHODS, "target": ["far", "mid"]},
    "seeds": [0],
}  # fmt: skip
ENGINES = {
    "local, 1 worker": ["--workers", "1"],
    "local, 2 workers": ["--workers", "2"],
    "local, 2 workers, one killed": ["--workers", "2"],
    "ray, 2 workers": ["--workers", "2", "--engine", "ray"],
}


def main() -> None:
    """Run them all. Exits with 1 if a score differs or something is run twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--small", action="store_true", help="8 short runs, to try this program")
    arguments = parser.parse_args()
    content = SMALL if arguments.small else FULL
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sweep.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        for name, options in ENGINES.items():
            found[name] = swept(Path(folder), name, options, kill="killed" in name)
            print(f"{name}: {found[name]['seconds']:.1f} s", flush=True)
    scores = [one.pop("scores") for one in found.values()]
    summary = {
        "sweep": content,
        "runs": len(scores[0]),
        "engines": found,
        "scores_equal": all(one == scores[0] for one in scores),
        "second_calls_do_nothing": all(one["second_call_does_nothing"] for one in found.values()),
        "throughput_2_workers": found["local, 1 worker"]["seconds"] / found["local, 2 workers"]["seconds"],
        "throughput_ray": found["local, 1 worker"]["seconds"] / found["ray, 2 workers"]["seconds"],
        "environment": environment(),
    }
    print(json.dumps({key: value for key, value in summary.items() if key != "environment"}, indent=2))
    if arguments.json:
        write_json(arguments.json, summary)
    if not (summary["scores_equal"] and summary["second_calls_do_nothing"]):
        sys.exit(1)


def swept(folder: Path, name: str, options: list[str], kill: bool) -> dict[str, Any]:
    """Times a sweep in a folder of its own, and asks for it again."""
    output = folder / name.replace(", ", "-").replace(" ", "-")
    command = [sys.executable, "-m", "xltransfer", "sweep", "sweep.yaml", "--threads", "1", "--json", "--quiet",
               "--output", output.name, *options]  # fmt: skip
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        killed = kill_a_worker(process, output) if kill else None
        printed, told = process.communicate()
    seconds = time.monotonic() - begun
    if process.returncode:
        sys.exit(f"{name}: exit status {process.returncode}: {told}")
    if killed is not None and "its process died" not in told:
        sys.exit(f"{name}: the process {killed} was in no run when it was killed; try again")
    before = times(output)
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    nothing = "nothing to do" in again.stderr and times(output) == before and again.stdout == printed
    cells = [cell for table in json.loads(printed)["tables"] for cell in table["cells"]]
    scores = {run["run"]: run["test"] for cell in cells for run in cell["seeds"].values()}
    return {"seconds": seconds, "runs_per_minute": 60 * len(scores) / seconds, "second_call_does_nothing": nothing,
            "scores": scores}  # fmt: skip


def times(output: Path) -> dict[str, int]:
    """When the runs were finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in output.glob("*/metrics.json")}


def kill_a_worker(sweep: subprocess.Popen[str], output: Path) -> int | None:
    """Kill one of its processes once a run is finished and two others train. Its process id."""
    while sweep.poll() is None:
        training = [path for path in output.glob("*/log.jsonl") if not (path.parent / "metrics.json").is_file()]
        if len(times(output)) >= 1 and len([path for path in training if path.stat().st_size]) >= 2:
            worker = workers_of(sweep.pid)[0]
            os.kill(worker, signal.SIGKILL)
            return worker
        time.sleep(0.05)
    return None


def workers_of(process: int) -> list[int]:
    """Process ids of the workers that a process has started."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text(encoding="utf-8").split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


if __name__ == "__main__":
    main()
