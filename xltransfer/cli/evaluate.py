"""`xlt evaluate`: score a finished run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import PLUGIN_HELP, TASK_HELP, switch
from xltransfer.datasets.base import SPLITS
from xltransfer.errors import ConfigError, unknown
from xltransfer.registry import load_plugin


def command(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run")],
    split: Annotated[str, typer.Option(metavar="NAME", help="dev or test")] = "test",
    target: Annotated[str | None, typer.Option(metavar="LANG", help="another language of the same data")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda")] = "auto",
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=PLUGIN_HELP)] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help=TASK_HELP)] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="dataset or folder (default: the run's)")
    ] = None,
    as_json: Annotated[bool, switch("--json", help="print the scores as one JSON object")] = False,
) -> None:
    """Score."""
    if split not in SPLITS:
        raise ConfigError([unknown("split", split, SPLITS)])
    for path in plugin or []:
        load_plugin(path.resolve())
    from xltransfer.training.trained_model import evaluate

    scores, count = evaluate(run_dir, split, target, device, task, data)
    if as_json:
        print(json.dumps({"split": split, "sentences": count, **scores.to_dict()}))
        return
    shown = "  ".join(f"{name} {100 * value:.2f}" for name, value in scores.to_dict().items())
    print(f"{split} ({count} sentences): {shown}")
