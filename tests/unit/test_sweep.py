"""The loop of a sweep, on an engine without processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.sweeping import FOUR, VALUES, Inline, write
from xltransfer.errors import Interrupted
from xltransfer.experiments.engines.worker import Job, Outcome, execute
from xltransfer.experiments.runs import run_config
from xltransfer.experiments.sweeps.file import read_sweep
from xltransfer.experiments.sweeps.index import PlannedRun, plan_runs, state_of
from xltransfer.experiments.sweeps.runner import Messages, Progress, Runner
from xltransfer.training.run_folder import LOCK

pytestmark = pytest.mark.usefixtures("empty_folder")
FOLDER = Path("swept")


def runs() -> list[PlannedRun]:
    sweep = read_sweep(Path(write(FOUR)))
    return plan_runs(sweep.cells(), sweep.seeds)


def finishing(job: Job) -> Outcome:
    """What a run leaves, without the run."""
    scores = dict.fromkeys(("f1", "precision", "recall", "accuracy"), 0.5)
    Path(str(job.config.output)).mkdir(parents=True)
    found = {"dev": scores, "test": scores, "meta": {"majority": scores}, "seconds": 1.0}
    Path(str(job.config.output), "metrics.json").write_text(json.dumps(found))
    return Outcome("finished", warnings=("mind this",))


def runner(action: Callable[[Job], Outcome]) -> tuple[Runner, Inline, list[str]]:
    told: list[str] = []
    engine = Inline(action)
    return Runner("s", FOLDER, engine, 1, Messages(warning=told.append, problem=told.append)), engine, told


def test_what_is_finished_is_not_done_again_and_a_warning_is_told_once() -> None:
    first, engine, told = runner(finishing)
    states = first.run(runs()[:2])
    assert [state.kind for state in states.values()] == ["finished", "finished"]
    assert engine.done == ["joint, synthetic, seed 1", "metaxl, synthetic, seed 1"]
    assert told == ["mind this"]
    second, engine, _ = runner(finishing)
    second.run(runs())
    assert engine.done == ["joint, synthetic, seed 2", "metaxl, synthetic, seed 2"]


def test_one_run_of_two_rows_is_done_once() -> None:
    rows = {"one": {"method": "joint"}, "same": {"method": "joint", "layer": 3}}
    sweep = read_sweep(Path(write({"values": VALUES, "rows": rows, "seeds": [1]})))
    loop, engine, _ = runner(finishing)
    loop.run(plan_runs(sweep.cells(), sweep.seeds))
    assert engine.done == ["same, synthetic, seed 1"]
    (run,) = json.loads((FOLDER / "index.json").read_text())["runs"].values()
    assert [cell["row"] for cell in run["cells"]] == ["one", "same"]


def test_a_lost_run_is_tried_three_times_and_a_failed_one_once_a_call() -> None:
    def lost(job: Job) -> Outcome:
        if job.config.method == "joint":
            raise ConnectionError("gone")
        return Outcome("failed", "its own fault", "Traceback")

    loop, engine, told = runner(lost)
    states = loop.run(runs()[:2])
    assert engine.done == ["joint, synthetic, seed 1", "metaxl, synthetic, seed 1"] + ["joint, synthetic, seed 1"] * 2
    assert len(told) == 2
    joint, metaxl = states.values()
    assert (joint.kind, metaxl.kind) == ("failed", "failed")
    assert joint.error.startswith("its process ended 3 times (ConnectionError: gone)")
    assert (metaxl.error, metaxl.attempts) == ("its own fault", 1)
    again, _, _ = runner(lost)
    assert [state.attempts for state in again.run(runs()[:2]).values()] == [2, 2]
    mended, _, _ = runner(finishing)
    assert [state.kind for state in mended.run(runs()[:2]).values()] == ["finished", "finished"]
    assert not list(FOLDER.glob("*.failed.json"))


def test_an_error_of_the_engine_is_no_run_s() -> None:
    def broken(job: Job) -> Outcome:
        raise RuntimeError("the engine")

    loop, engine, _ = runner(broken)
    with pytest.raises(RuntimeError, match="the engine"):
        loop.run(runs())
    assert engine.stopped
    assert not list(FOLDER.glob("*.failed.json"))


def test_a_run_that_finished_out_of_sight_is_told() -> None:
    loop, _, _ = runner(lambda job: Outcome("finished"))
    (state,) = loop.run(runs()[:1]).values()
    assert state.kind == "failed"
    assert "storage that all its machines share" in state.error


def test_a_signal_stops_the_sweep_after_what_is_running(interruptible: None) -> None:
    def signalled(job: Job) -> Outcome:
        os.kill(os.getpid(), signal.SIGTERM)
        return finishing(job)

    loop, engine, _ = runner(signalled)
    with pytest.raises(Interrupted, match="the same command goes on from here"):
        loop.run(runs())
    assert (len(engine.done), engine.stopped) == (1, True)
    assert json.loads((FOLDER / "index.json").read_text())["runs"].keys() == {run.name for run in runs()}


def job(run: PlannedRun) -> Job:
    return Job(run.name, run.label, run_config(run.cell, run.seed, FOLDER), str(Path.cwd()), 1)


def test_a_run_of_another_process_is_left_to_it() -> None:
    run = runs()[0]
    assert execute(job(run)).status == "finished"
    (FOLDER / run.name / "metrics.json").unlink()
    with FileLock(FOLDER / run.name / LOCK):
        found = execute(job(run))
        assert found.status == "busy"
        assert "another process is running" in found.error
        loop, _, _ = runner(lambda _: found)
        assert [state.kind for state in loop.run([run]).values()] == ["begun"]
        assert loop.busy == {run.name}
    assert execute(job(run)).status == "finished"


def test_a_fault_of_a_run_is_its_outcome() -> None:
    run = runs()[0]
    (FOLDER / run.name).mkdir(parents=True)
    found = execute(job(run))
    assert found.status == "failed"
    assert "cannot be read" in found.error
    assert not found.traceback


def test_damaged_files_of_a_run_are_told() -> None:
    run = runs()[0]
    (FOLDER / run.name).mkdir(parents=True)
    (FOLDER / f"{run.name}.failed.json").write_text("{")
    assert state_of(FOLDER, run.name).kind == "begun"
    (FOLDER / run.name / "metrics.json").write_text("{}")
    found = state_of(FOLDER, run.name)
    assert (found.kind, found.error.count(run.name)) == ("failed", 1)
    assert str(Path.cwd()) not in found.error


def test_progress_is_read_from_the_logs() -> None:
    running = [job(run) for run in runs()[:2]]
    progress = Progress(total=24, todo=20)
    assert progress.text(running) == (
        "4 of 24 done; 2 running: joint, synthetic, seed 1 (epoch 1 of 1), metaxl, synthetic, seed 1 (epoch 1 of 1)"
    )
    path = Path(str(running[0].config.output))
    path.mkdir(parents=True)
    (path / "log.jsonl").write_text('{"step": 1, "epoch": 1}\n{"step": 3, "epoch": 1, "dev": {}}\n')
    progress.began -= 60
    progress.finished, progress.failed = 3, 1
    assert progress.text(running[:1]) == (
        "7 of 24 done, 1 failed; 1 running: joint, synthetic, seed 1 (epoch 1 of 1); about 3 min left"
    )
