"""`xlt run`: train one run."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xltransfer.cli.options import AsJson, ConfigFile, Quiet, Recipe, merged_config, switch, takes_config
from xltransfer.cli.output import print_line, print_table
from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError, Interrupted
from xltransfer.utils.processes import launched_number

if TYPE_CHECKING:
    from xltransfer.training.progress import Reporter
    from xltransfer.training.run import RunResult


@takes_config(repeated=False)
def command(
    given: dict[str, Any],
    config: ConfigFile = None,
    recipe: Recipe = None,
    resume_dir: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="DIR", help="resume the interrupted run in this folder", rich_help_panel="Run"
        ),
    ] = None,
    with_report: Annotated[
        bool, switch("--report", help="also write report.html to the run folder", panel="Run")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train."""
    if resume_dir and (config or recipe):
        raise ConfigError([f"--resume {str(resume_dir)!r} takes its configuration from that folder; leave --config and "
                           "--recipe out."])  # fmt: skip
    source = resume_dir / "config.yaml" if resume_dir and given else config
    merged = None if resume_dir and not given else merged_config(given, source, recipe).validated()

    from xltransfer.training.progress import ConsoleReporter, WarningReporter

    reporter: Reporter = WarningReporter() if quiet else ConsoleReporter()
    try:
        result = _train(merged, resume_dir, reporter)
    except Interrupted as interrupted:  # Typer drops its message
        if launched_number() == 0:
            print(f"xlt: {interrupted}", file=sys.stderr)
        raise
    if launched_number():
        return
    report = _report(result) if with_report else None
    if as_json:
        written = {} if report is None else {"report": str(report)}
        print(json.dumps({**result.metrics, "run_dir": str(result.run_dir), **written}))
        return
    _print_result(result)
    print(f"report: {report}" if report else f"report: xlt report {shlex.quote(str(result.run_dir))}")


def _train(config: RunConfig | None, resume_dir: Path | None, reporter: Reporter) -> RunResult:
    from xltransfer.training.run import resume, run

    if resume_dir is not None:
        return resume(resume_dir, config, reporter)
    assert config is not None
    return run(config, reporter)


def _report(result: RunResult) -> Path:
    from xltransfer.report.write import write

    return write([result.run_dir]).file


def _print_result(result: RunResult) -> None:
    from xltransfer.tasks.base import Scores

    meta = result.metrics["meta"]
    title = f"{result.metrics['task']}: {' + '.join(meta['source'])} to {meta['target']}, {meta['method']}"
    scores = {"dev": result.dev, "test": result.test}
    if teacher := meta.get("teacher"):
        scores |= {f"its teacher, {split}": Scores(**teacher[split]) for split in ("dev", "test") if teacher[split]}
    scores["majority baseline, test"] = result.majority
    rows = [[name, *(f"{100 * value:.2f}" for value in (one.f1, one.precision, one.recall, one.accuracy))]
            for name, one in scores.items()]  # fmt: skip
    print_table(["", "F1", "precision", "recall", "accuracy"], rows, title)
    if mixture := meta.get("mixture"):
        shares = ", ".join(f"{language} {100 * share:.1f} %" for language, share in mixture.items())
        print_line(f"source batches: {shares} of {result.metrics['steps']}")
    print_line(f"run folder: {result.run_dir}")
