"""`xlt predict`: tag or classify text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import PLUGIN_HELP, TASK_HELP, switch
from xltransfer.errors import ConfigError, DataError, unknown
from xltransfer.registry import load_plugin
from xltransfer.utils.files import require_writable, write_text


def command(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, its model/, or an export")],
    input: Annotated[str, typer.Option("--input", metavar="FILE", help="one text a line; - is standard input")] = "-",
    words: Annotated[bool, switch("--words", help="lines are words with spaces between; keep them")] = False,
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="tsv or jsonl")] = "tsv",
    scheme: Annotated[
        str | None, typer.Option(metavar="NAME", help="scheme of entity tags: own (the files'), iobes, ... [bio]")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="write here, not to standard output")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda")] = "auto",
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=PLUGIN_HELP)] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help=TASK_HELP)] = None,
) -> None:
    """Predict."""
    if format not in ("tsv", "jsonl"):
        raise ConfigError([unknown("format", format, ("tsv", "jsonl"))])
    if output is not None and output.exists():
        raise ConfigError([f"output: {str(output)!r} exists; name another file."])
    if output is not None:
        require_writable(output)
    lines = _lines(input)
    for path in plugin or []:
        load_plugin(path.resolve())
    from xltransfer.training.trained_model import TrainedModel, examples_of_lines, prediction_record, prediction_tsv

    model = TrainedModel.load(run_dir, device, task)
    examples = examples_of_lines(model.task, lines, words)
    labels = model.predict(examples)
    predicted = zip(examples, model.in_scheme(labels, scheme) if scheme else labels, strict=True)
    if format == "jsonl":
        shown = [json.dumps(prediction_record(example, label), ensure_ascii=False) for example, label in predicted]
    else:
        shown = [prediction_tsv(example, label) for example, label in predicted]
    text = "\n".join(shown)
    if output is None:
        print(text)
    else:
        write_text(output, text + "\n")


def _lines(source: str) -> list[str]:
    if source == "-":
        return sys.stdin.read().splitlines()
    from xltransfer.data.readers.lines import read_lines

    if not Path(source).is_file():
        raise DataError(f"input: {source!r} is not a file; give one, or - for standard input.")
    return read_lines(Path(source))
