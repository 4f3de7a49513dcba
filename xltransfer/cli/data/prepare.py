"""`xlt data prepare`: rebuild a published split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import switch


def command(
    corpus: Annotated[str, typer.Argument(metavar="NAME", help="sentipers or sentiraama")],
    source: Annotated[list[Path], typer.Option(metavar="PATH", help="the authors' file or folder; repeatable")],
    index: Annotated[Path, typer.Option(metavar="FILE", help="data_index.txt of the released MetaXL code")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="folder to make, named after the language, such as fa")],
    quiet: Annotated[bool, switch("--quiet", help="write the files, print nothing")] = False,
    as_json: Annotated[bool, switch("--json", help="print one JSON object")] = False,
) -> None:
    """Prepare."""
    from xltransfer.datasets.published.prepare import prepare_split

    report = prepare_split(corpus, source, index, output)
    if as_json:
        print(json.dumps({**report.to_dict(), "output": str(output)}, ensure_ascii=False))
    elif not quiet:
        print(*report.lines(), sep="\n")
        print(f"written to {output}; use it with --data {output.parent} --target {output.name}")
