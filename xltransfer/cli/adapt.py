"""`xlt adapt`: train an encoder further on raw text of a language."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from xltransfer.cli.options import switch
from xltransfer.cli.output import print_line
from xltransfer.errors import ConfigError, DataError
from xltransfer.registry.limits import LARGEST_SEED
from xltransfer.registry.values import LARGEST


def command(
    encoder: Annotated[str, typer.Argument(metavar="NAME|PATH", help="encoder, with its masked-language-model head")],
    input: Annotated[list[Path], typer.Option("--input", metavar="FILE", help="one text a line; repeat for several")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="folder of the new encoder; must not exist")],
    epochs: Annotated[int, typer.Option(metavar="N", help="passes over the texts")] = 3,
    lr: Annotated[float, typer.Option(metavar="X", help="peak learning rate")] = 5e-5,
    batch_size: Annotated[int, typer.Option(metavar="N", help="texts per step")] = 16,
    max_length: Annotated[int, typer.Option(metavar="N", help="subwords of a text that are read")] = 128,
    masked: Annotated[float, typer.Option(metavar="X", help="share of the subwords that are to be guessed")] = 0.15,
    held_out: Annotated[float, typer.Option(metavar="X", help="share of the texts to measure on")] = 0.05,
    seed: Annotated[int, typer.Option(metavar="N", help="seed of order and masks")] = 11,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda")] = "auto",
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32 or bf16")] = "fp32",
    quiet: Annotated[bool, switch("--quiet", help="no progress, only the result")] = False,
    as_json: Annotated[bool, switch("--json", help="print the result as one JSON object")] = False,
) -> None:
    """Adapt."""
    limits = {"epochs": (epochs, 1, 10**4), "lr": (lr, 1e-30, LARGEST), "batch_size": (batch_size, 1, 10**6),
              "max_length": (max_length, 5, 10**6), "masked": (masked, 0.01, 0.9), "held_out": (held_out, 0.001, 0.5),
              "seed": (seed, 0, LARGEST_SEED)}  # fmt: skip
    faults = [f"{name}: received {value}; allowed: {lowest} to {highest}."
              for name, (value, lowest, highest) in limits.items() if not lowest <= value <= highest]  # fmt: skip
    if precision not in ("fp32", "bf16"):
        faults.append(f"precision: received {precision!r}; allowed: fp32, bf16.")
    if faults:
        raise ConfigError(faults)
    texts = [line for file in input for line in _lines(file)]
    from xltransfer.training.adaptation import Adaptation, adapt
    from xltransfer.training.progress import ConsoleReporter, Reporter, WarningReporter

    how = Adaptation(epochs, lr, batch_size, max_length, masked, held_out, seed, device, precision == "bf16")
    reporter: Reporter = WarningReporter() if quiet else ConsoleReporter()
    found = adapt(encoder, texts, output, how, reporter)
    if as_json:
        print(json.dumps({**dataclasses.asdict(found), "output": str(output)}))
        return
    cut = f", {found.cut} of them cut at {max_length} subwords" if found.cut else ""
    print_line(f"{found.texts:,} texts{cut}, {found.steps:,} steps; loss on {found.held_out} others "
               f"{found.loss_before:.3f} → {found.loss_after:.3f}")  # fmt: skip
    print_line(f"encoder: {output}; train with it: xlt run --encoder {output}")


def _lines(file: Path) -> list[str]:
    from xltransfer.data.readers.lines import read_lines

    if not file.is_file():
        raise DataError(f"input: {str(file)!r} is not a file; give files with one text a line.")
    return read_lines(file)
