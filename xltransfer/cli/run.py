"""`xlt run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xltransfer.cli.options import merged_config, takes_config

if TYPE_CHECKING:
    from xltransfer.training.run import RunResult


@takes_config
def command(
    given: dict[str, Any],
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="YAML of such options")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", metavar="NAME", help="a published experiment")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress, only the result")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one JSON object")] = False,
) -> None:
    """Train."""
    merged = merged_config(given, config, recipe).validated()

    from xltransfer.training.progress import ConsoleReporter, Reporter, WarningReporter
    from xltransfer.training.run import run

    reporter: Reporter = WarningReporter() if quiet else ConsoleReporter()
    result = run(merged, reporter)
    if as_json:
        print(json.dumps({**result.metrics, "run_dir": str(result.run_dir)}))
    else:
        _print_table(result)


def _print_table(result: RunResult) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result.metrics['task']}: {' + '.join(result.metrics['meta']['source'])} to "
                        f"{result.metrics['meta']['target']}, {result.metrics['meta']['method']}")  # fmt: skip
    for heading in ("", "F1", "precision", "recall", "accuracy"):
        table.add_column(heading, justify="right" if heading else "left")
    rows = {"dev": result.dev, "test": result.test, "majority baseline, test": result.majority}
    for name, scores in rows.items():
        values = (scores.f1, scores.precision, scores.recall, scores.accuracy)
        table.add_row(name, *(f"{100 * value:.2f}" for value in values))
    console = Console()
    console.print(table)
    console.print(f"run folder: {result.run_dir}", soft_wrap=True, highlight=False, markup=False)
