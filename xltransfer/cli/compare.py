"""`xlt compare`: run several configurations and seeds, and test the differences."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from xltransfer.cli.options import OPTION_NAMES, AsJson, ConfigFile, Quiet, Recipe, merged_config, pairs, takes_config
from xltransfer.cli.output import print_comparison, print_report, status
from xltransfer.errors import ConfigError, Interrupted, unknown
from xltransfer.utils.pictures import file_faults

if TYPE_CHECKING:
    from xltransfer.experiments.compare import Comparison
    from xltransfer.experiments.grid import Cell
    from xltransfer.experiments.tables.sweep import Report
    from xltransfer.training.progress import Reporter

    Reporters = Callable[[str], Reporter]
    """Makes that of a run, from what is run."""

SEEDS = ("0", "1", "2")
_FORMATS = ("table", "markdown", "latex", "csv", "json")


@takes_config(repeated=True)
def command(
    given: dict[str, Any],
    config: ConfigFile = None,
    recipe: Recipe = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="compare with this row (default: joint, or the first)", rich_help_panel="Run"
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="picture of the differences from the baseline", rich_help_panel="Run"
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="table, markdown, latex, csv or json", rich_help_panel="Run")
    ] = "table",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare."""
    faults = [] if format in _FORMATS else [unknown("format", format, _FORMATS)]
    if faults := faults + file_faults(picture):
        raise ConfigError(faults)
    seeds = _seeds(given.pop("seed", list(SEEDS)))

    from xltransfer.experiments.compare import choose_baseline, compare, run_all
    from xltransfer.experiments.grid import cells_of
    from xltransfer.experiments.repeated_options import split_repeated
    from xltransfer.experiments.tables.plot import plot

    outputs = given.pop("output", [])
    if len(outputs) > 1:
        raise ConfigError([f"output: received {', '.join(outputs)}; allowed: one folder, for all runs."])
    for name, flag in OPTION_NAMES.items():
        pairs(flag, given.get(name, []))
    cells = cells_of(*split_repeated(given), lambda values: merged_config(values, config, recipe))
    choose_baseline(cells, baseline)  # a name that is none of theirs is refused before anything is run
    targets = list(dict.fromkeys(cell.column for cell in cells))
    folder = Path(outputs[0]) if outputs else _folder(cells[0], targets)
    comparison = None
    try:
        with status(quiet) as show_status:
            reporters = _reporters(show_status, quiet)
            if len(targets) == 1:
                comparison = compare(cells, seeds, folder, baseline, reporters)
            else:
                run_all(cells, seeds, folder, reporters)
    except Interrupted:
        print("xlt: stopped; the same command goes on from here", file=sys.stderr)
        raise
    shown = "json" if as_json else format
    if comparison is not None:
        _print(comparison, shown, folder)
    if comparison is None or picture is not None:
        report = _report(cells, seeds, folder, baseline)
        if comparison is None:
            print_report(report, shown, folder)
        if picture is not None:
            plot(report.matrices, picture)


def _report(cells: Sequence[Cell], seeds: Sequence[int], folder: Path, baseline: str | None) -> Report:
    from xltransfer.experiments.sweeps.index import plan_runs, states_of
    from xltransfer.experiments.tables.sweep import report_of

    runs = plan_runs(cells, seeds)
    return report_of(folder.name, seeds, runs, states_of(folder, runs), baseline)


def _seeds(given: list[str]) -> list[int]:
    wrong = [seed for seed in given if not (seed.isascii() and seed.isdigit())]
    if wrong:
        raise ConfigError([f"seed: received {wrong[0]!r}; allowed: 0 or more, given once for each run."])
    return list(dict.fromkeys(map(int, given)))


def _folder(cell: Cell, targets: Sequence[str]) -> Path:
    config = cell.config
    parts = ["compare", config.task, "+".join(config.source), "+".join(targets)] if config.target else ["compare"]
    name = "-".join(filter(None, parts))
    return Path("runs") / re.sub(r"[^\w+.-]+", "_", name)


def _reporters(show_status: Callable[[str], None], quiet: bool) -> Reporters:
    """Reporters that show_status where a run is, and each warning once."""
    from xltransfer.training.progress import Reporter

    warned: set[str] = set()

    class Telling(Reporter):
        def __init__(self, label: str) -> None:
            self.label = escape(label)
            show_status(self.label)

        def stage(self, message: str) -> None:
            show_status(f"{self.label}: {escape(message)}")

        def epoch(self, epoch: int, metric: str, dev: float, best: bool) -> None:
            show_status(f"{self.label}: epoch {epoch}, dev {metric} {100 * dev:.1f}")

        def warn(self, message: str) -> None:
            if message not in warned:
                warned.add(message)
                print(f"warning: {message}", file=sys.stderr)

    return Telling


def _print(comparison: Comparison, format: str, folder: Path) -> None:
    from xltransfer.experiments.tables.comparison import FORMATS, caption, headings, lines

    if format in FORMATS:
        print(FORMATS[format](comparison), end="")
        return
    print_comparison(headings(comparison), lines(comparison), caption(comparison), [comparison.verdict()])
    print(f"runs: {folder}")
