"""`xlt report`: write a report of finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import switch


def command(
    run_dirs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs, or of a comparison")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="the page; a report there is replaced (default: report.html in RUN; here for several)"
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also make this folder, of figures as PNG, SVG and PDF")
    ] = None,
    as_json: Annotated[bool, switch("--json", help="print what was written as one JSON object")] = False,
) -> None:
    """Report."""
    from xltransfer.report.write import write

    written = write(run_dirs, output, figures)
    if as_json:
        found = {"report": str(written.file), "bytes": written.size, "figures": list(map(str, written.figures))}
        print(json.dumps(found))
        return
    print(f"report: {written.file}")
    if figures is not None:
        print(f"figures: {figures} ({len(written.figures)} files)")
