"""`xlt data`: its commands that prepare and check the user's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import merged_config

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command("prepare", help="Rebuild a published split from the authors' files: train.tsv, dev.tsv and test.tsv.")
def prepare(
    corpus: Annotated[str, typer.Argument(metavar="NAME", help="sentipers or sentiraama")],
    source: Annotated[list[Path], typer.Option(metavar="PATH", help="the authors' file or folder; repeatable")],
    index: Annotated[Path, typer.Option(metavar="FILE", help="data_index.txt of the released MetaXL code")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="folder to make, named after the language, such as fa")],
    quiet: Annotated[bool, typer.Option("--quiet", help="write the files, print nothing")] = False,
    as_json: Json = False,
) -> None:
    """Prepare."""
    from xltransfer.data.prepared_split import prepare_split

    report = prepare_split(corpus, source, index, output)
    if as_json:
        print(json.dumps({**report.to_dict(), "output": str(output)}, ensure_ascii=False))
    elif not quiet:
        print(*report.lines(), sep="\n")
        print(f"written to {output}; use it with --data {output.parent} --target {output.name}")


@app.command("check", help="Repeated sentences, sentences in two sets, sets with one label, tags that are not BIO.")
def check(
    data: Annotated[str, typer.Option(metavar="NAME", help="registered dataset, or folder")],
    target: Annotated[str | None, typer.Option(metavar="LANG", help="target language: all its splits")] = None,
    source: Annotated[list[str] | None, typer.Option(metavar="LANG", help="source language; repeatable")] = None,
    task: Annotated[str, typer.Option(metavar="NAME", help="ner, sentiment or pos")] = "ner",
    task_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the task; repeatable")] = None,
    data_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the dataset; repeatable")] = None,
    data_seed: Annotated[int, typer.Option(metavar="N", help="of the split of a corpus without splits")] = 42,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the findings alone")] = False,
    as_json: Json = False,
) -> None:
    """Check."""
    given = {"data": data, "target": target, "source": source, "task": task, "data_seed": str(data_seed),
             "task_options": task_opt, "data_options": data_opt}  # fmt: skip
    config = merged_config({name: value for name, value in given.items() if value}, None).validated()
    from xltransfer.training.data_check import check_data

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
