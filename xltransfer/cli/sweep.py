"""`xlt sweep`: execute a sweep file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from xltransfer.cli.options import switch
from xltransfer.cli.output import print_comparison, print_report
from xltransfer.cli.output import status as status_on_stderr
from xltransfer.errors import ConfigError, Interrupted, unknown
from xltransfer.utils.pictures import file_faults

if TYPE_CHECKING:
    from xltransfer.experiments.engines.local import Engine
    from xltransfer.experiments.sweeps.file import Sweep
    from xltransfer.experiments.sweeps.index import State
    from xltransfer.experiments.sweeps.runner import Runner

    Start = Callable[[int], AbstractContextManager[Runner]]
    """Of at most so many runs at a time."""

ENGINES = ("local", "ray")
_FORMATS = ("table", "markdown", "latex", "csv", "json")


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML: values, rows, grid, seeds, baseline, search")],
    engine: Annotated[str, typer.Option(metavar="NAME", help="local or ray")] = "local",
    workers: Annotated[int | None, typer.Option(metavar="N", help="runs at a time (default: cores / threads)")] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="of each run (default: 1; with a GPU: all)")] = None,
    gpus: Annotated[float | None, typer.Option(metavar="X", help="share of GPUs a run, with ray (default: 0)")] = None,
    address: Annotated[
        str | None, typer.Option(metavar="A", help="of a Ray cluster: auto or HOST:PORT (default: one of its own)")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the runs (default: runs/sweep-FILE)")
    ] = None,
    status: Annotated[bool, switch("--status", help="run nothing; print the tables of what is finished")] = False,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="table, markdown, latex, csv or json")
    ] = "table",
    as_json: Annotated[bool, switch("--json", help="print the result as one JSON object")] = False,
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="picture of the differences from the baseline")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Python file that registers parts; repeat for several")
    ] = None,
    quiet: Annotated[bool, switch("--quiet", help="no progress, only the result")] = False,
) -> int:
    """Sweep."""
    faults = [unknown(name, value, allowed) for name, value, allowed in
              (("engine", engine, ENGINES), ("format", format, _FORMATS)) if value not in allowed]  # fmt: skip
    faults += [f"{name}: received {value}; it is of --engine ray." for name, value in
               (("gpus", gpus), ("address", address)) if value is not None and engine != "ray"]  # fmt: skip
    faults += [f"{name}: received {value}; allowed: 1 or more." for name, value in
               (("workers", workers), ("threads", threads)) if value is not None and value < 1]  # fmt: skip
    faults += file_faults(picture)
    if gpus is not None and not gpus >= 0:
        faults.append(f"gpus: received {gpus}; allowed: 0 or more.")
    if faults:
        raise ConfigError(faults)

    from xltransfer.experiments.sweeps.file import read_sweep

    sweep = read_sweep(file, [str(path) for path in plugin or []])
    folder = output or Path("runs") / f"sweep-{sweep.name}"
    elsewhere = engine == "ray" and address not in (None, "local")

    @contextmanager
    def runner(most: int) -> Iterator[Runner]:
        wanted = (workers, threads or 1) if elsewhere else _sizes(workers, threads, most)
        with _runner(sweep.name, folder, _engine(engine, *wanted, gpus, address), wanted[1], quiet) as made:
            yield made

    start, shown = None if status else runner, "json" if as_json else format
    if not sweep.search:
        return _table(sweep, folder, start, shown, picture)
    if picture is not None:
        raise ConfigError([f"plot: received {str(picture)!r}; a search has no table to draw: plot the final runs."])
    return _search(sweep, folder, start, shown)


def _table(sweep: Sweep, folder: Path, runner: Start | None, format: str, picture: Path | None) -> int:
    """Do the runs, unless there is no `runner`, and print their table."""
    from xltransfer.experiments.sweeps.index import plan_runs, states_of, write_index
    from xltransfer.experiments.tables.sweep import report_of

    runs = plan_runs(sweep.cells(), sweep.seeds)
    states = states_of(folder, runs)
    unfinished = [name for name, state in states.items() if state.kind != "finished"]
    if folder.is_dir():
        write_index(folder, sweep.name, runs, states)
    if not unfinished:
        print(f"all {len(states)} runs are finished; nothing to do", file=sys.stderr)
    elif runner is None:
        print(_counted(states), file=sys.stderr)
    else:
        with runner(len(unfinished)) as started:
            states = started.run(runs)
    report = report_of(sweep.name, sweep.seeds, runs, states, sweep.baseline)
    print_report(report, format, folder)
    if picture is not None:
        from xltransfer.experiments.tables.plot import plot

        plot(report.matrices, picture)
    for one in report.failed():
        print(f"failed: {one['row']}, {one['column']}, seed {one['seed']}: {one['error']}", file=sys.stderr)
    return 0 if runner is None or len(report.of_kind("finished")) == len(states) else 1


def _search(sweep: Sweep, folder: Path, runner: Start | None, format: str) -> int:
    """Search, unless there is no `runner`, and print what is best by now."""
    from xltransfer.experiments.search.search import search, write_best
    from xltransfer.experiments.sweeps.index import PlannedRun, states_of, write_index
    from xltransfer.experiments.tables.search import CAPTION, FORMATS, HEADINGS, lines

    assert sweep.search is not None
    all_runs: list[PlannedRun] = []

    def known(runs: Sequence[PlannedRun]) -> dict[str, State]:
        all_runs.extend(runs)
        return states_of(folder, runs)

    found = search(sweep, known)
    if folder.is_dir():
        write_index(folder, sweep.name, all_runs, states_of(folder, all_runs))
    if all(one.trials == sweep.search.trials for one in found):
        print(f"all {sweep.search.trials} trials are finished; nothing to do", file=sys.stderr)
    elif runner is not None:
        with runner(len(sweep.cells()) * len(sweep.search.seeds)) as started:
            found = search(sweep, started.run)
    best = write_best(sweep, found, folder) if any(one.trials for one in found) else None
    if format in FORMATS:
        print(FORMATS[format](found), end="")
    else:
        print_comparison(HEADINGS, lines(found), CAPTION, [])
        print(f"for the final runs: xlt sweep {best} --output {folder}" if best else "no trial is finished yet")
    complete = all(one.trials and one.trials + one.failed == sweep.search.trials for one in found)
    return 0 if runner is None or complete else 1


def _sizes(workers: int | None, threads: int | None, most: int) -> tuple[int, int]:
    """Runs at a time, and threads of each: several runs of one thread are faster than one of several."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if torch.cuda.is_available():  # one run fills a GPU's memory more often than not
        workers = min(workers or 1, most)
        return workers, threads or max(1, cores // workers)
    threads = threads or 1
    return min(workers or max(1, cores // threads), most), threads


def _engine(
    name: str, workers: int | None, threads: int, gpus: float | None, address: str | None
) -> Callable[[], Engine]:
    if name == "ray":
        from xltransfer.experiments.engines.ray import RayEngine

        return lambda: RayEngine(workers, threads, gpus, address)
    from xltransfer.experiments.engines.local import LocalEngine

    return lambda: LocalEngine(workers or 1, threads)


@contextmanager
def _runner(
    name: str, folder: Path, engine: Callable[[], Engine], threads: int | None, quiet: bool
) -> Iterator[Runner]:
    """The runner of an engine, with its progress on standard error."""
    from xltransfer.experiments.sweeps.runner import Messages, Runner

    def line(text: str) -> None:
        print(text, file=sys.stderr)

    with status_on_stderr(quiet) as show_status:
        messages = Messages(lambda text: show_status(escape(text)), lambda text: line(f"warning: {text}"), line)
        try:
            with engine() as started:
                yield (runner := Runner(name, folder, started, threads, messages))
        except Interrupted as interrupted:  # Typer drops its message
            line(f"xlt: {interrupted}")
            raise
    if runner.busy:
        line(f"{len(runner.busy)} runs are another process's; the same command takes them when it has finished them")


def _counted(states: dict[str, State]) -> str:
    """What there is, in one line."""
    kinds = [state.kind for state in states.values()]
    words = {"failed": "failed", "begun": "begun", "waiting": "not yet begun"}
    counts = [f"{kinds.count(kind)} {word}" for kind, word in words.items() if kind in kinds]
    return "; ".join([f"{kinds.count('finished')} of {len(kinds)} done", *counts])
