"""The command line `xlt`: register the commands and print one line for each error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from xltransfer.cli import adapt, analyze, bench, compare, doctor, evaluate, export, ls, predict, report, run, sweep
from xltransfer.cli.data import app as data
from xltransfer.cli.options import flags_normalised
from xltransfer.errors import ConfigError, MachineError, UserError, explain_machine_error
from xltransfer.utils.processes import launched_count, launched_number
from xltransfer.utils.version import __version__

app = typer.Typer(
    help="Cross-lingual transfer for languages with a hundred labelled sentences.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run", help="Train, choose the epoch on dev, score test once, and keep everything in a run folder.")(
    run.command
)
app.command("compare", help="Run several methods, RTNs, layers or other options, several seeds each, and test.")(
    compare.command
)
app.command("sweep", help="Run what a file of rows, a grid and seeds describes, several runs at a time.")(sweep.command)
app.command("report", help="One page of finished runs: curves, scores by label, representations, worst errors.")(
    report.command
)
app.command("bench", help="Time meta-gradient steps against joint training and against the released procedure.")(
    bench.command
)
app.command("evaluate", help="Score a finished run again.")(evaluate.command)
app.command("predict", help="Tag or classify text with a finished run.")(predict.command)
app.command("analyze", help="Measure what a run did to its representations, before and after training.")(
    analyze.command
)
app.command("adapt", help="Train an encoder further on raw text of a language, before runs take it.")(adapt.command)
app.command("export", help="Copy a run's model, in Hugging Face format and without the RTN.")(export.command)
app.add_typer(data.app, name="data", help="List named corpora, and look into data before training on them.")
app.command("ls", help="List registered parts and recipes; imports none of them.")(ls.command)
app.command("doctor", help="What this machine can run, and what is missing for the rest.")(doctor.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"xltransfer {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 the user's input is at fault, 130 interrupted, 1 anything else."""
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run a command line, print its messages and return its exit status."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _refuse_launcher(given)
        status = app(args=flags_normalised(given), standalone_mode=False)
        if status == 130:  # Typer turns an interrupt into this status
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except UserError as error:
        return _complain(str(error), 2)
    except MachineError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        return 1
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
            return 2
        if hasattr(error, "format_message"):  # a usage error of Typer's command-line parser, whichever it is built on
            return _complain(f"{error.format_message()} 'xlt --help' and 'xlt COMMAND --help' list what is allowed.", 2)
        if type(error).__name__ == "Abort":
            return _complain("interrupted", 130)
        if (explained := explain_machine_error(error)) is not None:
            return _complain(str(explained), 2 if isinstance(explained, UserError) else 1)
        traceback.print_exc()
        return 1


def _refuse_launcher(arguments: Sequence[str]) -> None:
    """Raises ConfigError if several processes were started for a command that is for one."""
    if arguments and arguments[0] != "run" and (count := launched_count()) > 1:
        raise ConfigError(
            [
                f"processes: {count} were started for 'xlt {arguments[0]}', which is for one; several train one run: "
                "'xltransfer run'; 'xlt sweep --workers N' does several runs at a time."
            ]
        )


def _complain(message: str, status: int) -> int:
    if number := launched_number():  # process 0 reports the user's errors
        if status == 1:
            print(f"xlt: process {number}: {' '.join(message.split())}", file=sys.stderr)
        return status
    print(f"xlt: {message}" if status == 130 else f"xlt: error: {' '.join(message.split())}", file=sys.stderr)
    return status
