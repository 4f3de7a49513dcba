"""Run the study of PROTOCOL.md, and make its tables and figures.

    python benchmarks/study/study.py run PHASE [PHASE ...]    # tuning-lr, tuning-rtn, main-ner, ...; --full on a GPU
    python benchmarks/study/study.py tables                   # from results/*.jsonl alone

A phase is a sweep file here, which `xlt sweep` reads too. Its runs go to runs/study/PHASE, one line each to
results/PHASE.jsonl; a run that has its line is not run again. Stopped by Ctrl-C or SIGTERM it goes on where it was.
The full version of a phase is recorded as PHASE-full.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.experiments.engines.local import LocalEngine
from xltransfer.experiments.sweeps.file import Sweep, read_sweep
from xltransfer.experiments.sweeps.index import PlannedRun, plan_runs, states_of
from xltransfer.experiments.sweeps.runner import Messages, Runner
from xltransfer.tasks.ner import NER
from xltransfer.training.data.reading import open_dataset
from xltransfer.training.run import RunResult
from xltransfer.training.trained_model import TrainedModel

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RUNS = Path("runs/study")
FULL = {"source_size": 5000, "epochs": 6}
_UNTOLD = ("output", "seed", "data", "encoder", "source", "target", "task", "task_options", "checkpoint_minutes",
           "source_data", "teacher")  # fmt: skip
"""Fields that a line has elsewhere, or that change nothing."""


def recorded(phase: str) -> list[dict[str, Any]]:
    """The lines of a phase; none where it has not been run."""
    file = RESULTS / f"{phase}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def sweep_of(phase: str) -> Sweep:
    """What is to be run; PHASE-full with more source sentences and epochs."""
    sweep = read_sweep(HERE / f"{phase.removesuffix('-full')}.yaml")
    return dataclasses.replace(sweep, values={**sweep.values, **FULL}) if phase.endswith("-full") else sweep


def run(phase: str, workers: int, chosen: Callable[[PlannedRun], bool]) -> None:
    """Do what has no line yet, of what is `chosen`."""
    sweep = sweep_of(phase)
    done = {_place(line) for line in recorded(phase)}
    planned = _taught(plan_runs(sweep.cells(), sweep.seeds), RUNS / phase)
    runs = [one for one in planned if _place(_line(one)) not in done]
    runs = [one for one in runs if chosen(one)]
    print(f"{phase}: {len(done)} runs recorded, {len(runs)} to do", flush=True)
    if not runs:
        return
    told = Messages(warning=lambda text: print(f"warning: {text}"), problem=print)
    alone = phase == "cost"  # a process's peak memory is that of the runs before, too
    for several in _in_parts(runs, workers if alone else len(runs)):
        with LocalEngine(workers, 1) as engine:
            runner = Runner(phase, RUNS / phase, engine, 1, told)
            for few in _in_parts(several, workers):
                try:
                    runner.run(few)
                finally:
                    record(phase, runs, {one.cell.config.teacher for one in planned})


def _taught(runs: list[PlannedRun], folder: Path) -> list[PlannedRun]:
    """In the place of a row that `teacher` names: the folder of that row's run of the same target and seed."""
    of_row = {(one.cell.row, one.cell.config.target, one.seed): folder / one.name for one in runs}
    found = []
    for one in runs:
        config = one.cell.config
        if teacher := of_row.get((str(config.teacher), config.target, one.seed)):
            cell = dataclasses.replace(one.cell, config=dataclasses.replace(config, teacher=str(teacher)))
            one = dataclasses.replace(one, cell=cell)
        found.append(one)
    return found


def _in_parts(runs: list[PlannedRun], size: int) -> list[list[PlannedRun]]:
    return [runs[start : start + size] for start in range(0, len(runs), size)]


def record(phase: str, runs: list[PlannedRun], teachers: Collection[str | None]) -> None:
    """Append a line for each finished run that has none, and remove its model unless it is one of the teachers."""
    done = {_place(line) for line in recorded(phase)}
    states = states_of(RUNS / phase, runs)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{phase}.jsonl").open("a", encoding="utf-8") as file:
        for one in runs:
            result = states[one.name].result
            if result is None or _place(_line(one)) in done:
                continue
            done.add(_place(_line(one)))
            by_argmax = _by_argmax(one, result) if phase.startswith("real") else {}
            figures = {**_figures(result), **by_argmax, "settings": _settings(one)}
            file.write(json.dumps({**_line(one), **figures}) + "\n")
            if str(result.run_dir) not in teachers:
                shutil.rmtree(result.run_dir / "model", ignore_errors=True)
    print(f"{phase}: {len(done)} runs recorded", flush=True)


def _line(one: PlannedRun) -> dict[str, Any]:
    config = one.cell.config
    return {"row": one.cell.name, "task": config.task, "source": "+".join(config.source), "target": config.target,
            "seed": one.seed}  # fmt: skip


def _place(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("row", "task", "source", "target", "seed"))


def _figures(result: RunResult) -> dict[str, Any]:
    """Scores as shares, seconds of training, bytes, and how far a step moves φ: the median of |Δφ| / |φ|."""
    metrics = result.metrics
    logged = [json.loads(line) for line in (result.run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    moves = [line["update_ratio"] for line in logged if "update_ratio" in line]
    found = {
        "dev": getattr(result.dev, metrics["metric"]),
        "test": getattr(result.test, metrics["metric"]),
        "epoch": metrics["best_epoch"],
        "seconds": metrics["seconds"],
        "memory": metrics["peak_memory_bytes"],
        "step_seconds": statistics.median(line["seconds"] for line in logged if "seconds" in line),
        "update_ratio": statistics.median(moves) if moves else None,
        "mixture": metrics["meta"].get("mixture"),
    }
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}


def _by_argmax(one: PlannedRun, result: RunResult) -> dict[str, float]:
    """The test score of the same weights with the likeliest tag of each word, whatever the one before it is."""
    model = TrainedModel.load(result.run_dir)
    if not isinstance(model.task, NER):
        return {}
    examples = open_dataset(one.cell.config).load(model.task, str(one.cell.config.target), "test")
    model.task.decoding = "argmax"
    score = model.task.score(model.task.gold(examples), model.predict(examples))
    return {"test_argmax": round(score.f1, 6)}


def _settings(one: PlannedRun) -> dict[str, Any]:
    """What is not as it is without options."""
    given = one.cell.config.to_dict()
    default = RunConfig().to_dict()
    return {name: value for name, value in given.items() if name not in _UNTOLD and value != default[name]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["run", "tables"])
    parser.add_argument("phases", nargs="*")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--full", action="store_true", help="5000 source sentences and six epochs: for a GPU")
    parser.add_argument("--only", nargs="*", metavar="TARGET", help="of the phase, these for now")
    parser.add_argument("--rows", nargs="*", metavar="NAME", help="likewise")
    parser.add_argument("--seeds", nargs="*", type=int, metavar="N", help="likewise")
    arguments = parser.parse_args()
    if arguments.action == "tables":
        from tables import write_all

        write_all(HERE)
        return

    def chosen(one: PlannedRun) -> bool:
        sides = ((one.cell.config.target, arguments.only), (one.cell.row, arguments.rows), (one.seed, arguments.seeds))
        return all(wanted is None or value in wanted for value, wanted in sides)

    for phase in arguments.phases:
        run(f"{phase}-full" if arguments.full else phase, arguments.workers, chosen)


if __name__ == "__main__":
    main()
