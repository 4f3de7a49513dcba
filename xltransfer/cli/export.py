"""`xlt export`: copy a run's model in Hugging Face format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run")],
    destination: Annotated[Path, typer.Argument(metavar="DIR", help="folder to make")],
) -> None:
    """Export."""
    from xltransfer.training.trained_model import export_model

    export_model(run_dir, destination)
    print(f"exported to {destination}; load it with transformers' from_pretrained, or xlt predict {destination}")
