"""`xlt data check`: check the data of a run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from xltransfer.cli.options import merged_config, switch


def command(
    data: Annotated[str, typer.Option(metavar="NAME", help="registered dataset, or folder")],
    target: Annotated[str | None, typer.Option(metavar="LANG", help="target language: all its splits")] = None,
    source: Annotated[list[str] | None, typer.Option(metavar="LANG", help="source language; repeatable")] = None,
    task: Annotated[str, typer.Option(metavar="NAME", help="ner, sentiment or pos")] = "ner",
    task_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the task; repeatable")] = None,
    data_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the dataset; repeatable")] = None,
    data_seed: Annotated[int, typer.Option(metavar="N", help="of the split of a corpus without splits")] = 42,
    quiet: Annotated[bool, switch("--quiet", help="print the findings alone")] = False,
    as_json: Annotated[bool, switch("--json", help="print one JSON object")] = False,
) -> None:
    """Check."""
    given = {"data": data, "target": target, "source": source, "task": task, "data_seed": str(data_seed),
             "task_options": task_opt, "data_options": data_opt}  # fmt: skip
    config = merged_config({name: value for name, value in given.items() if value}, None).validated()
    from xltransfer.training.data.reading import check_data

    found = check_data(config)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    if not quiet:
        print(*(f"{name}: {size} sentences" for name, size in found.sizes.items()), sep="\n")
    for finding in found.findings:
        print(finding.line())
    if not found.findings and not quiet:
        print("nothing odd found")
