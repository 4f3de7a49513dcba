"""`xlt data ls`: list the named corpora."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from xltransfer.cli.options import switch
from xltransfer.datasets.corpora.table import CORPORA, Corpus

_SHOWN = 6


def command(
    verbose: Annotated[bool, switch("-v", "--verbose", help="all languages, and how a copy is fetched")] = False,
    as_json: Annotated[bool, switch("--json", help="print one JSON array")] = False,
) -> None:
    """List."""
    rows = sorted(CORPORA.values(), key=lambda row: row.name)
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        print(f"{row.name}  ({', '.join(row.tasks)})  {row.source}")
        for heading, value in _details(row, verbose).items():
            print(f"    {heading:<10} {value}")


def _details(row: Corpus, verbose: bool) -> dict[str, str]:
    hub = "withdrawn in 2023; a copy of your own" if row.withdrawn else f"huggingface.co/datasets/{row.repository}"
    details = {"languages": _languages(row, verbose), "size": row.size, "licence": row.licence,
               "from": f"{row.citation}; {hub}"}  # fmt: skip
    if verbose:
        revision = "" if row.revision == "main" else f" --revision {row.revision}"
        fetch = f"hf download {row.repository} --repo-type dataset{revision} --local-dir DIR"
        details["copy"] = f"it {row.withdrawn}" if row.withdrawn else f"{fetch}, then --data-opt mirror=DIR"
    return details


def _languages(row: Corpus, verbose: bool) -> str:
    if not row.languages:
        return "as its repository lists them"
    few = row.languages if verbose or len(row.languages) <= _SHOWN else (*row.languages[:_SHOWN], "...")
    return f"{len(row.languages)}: {' '.join(few)}"
