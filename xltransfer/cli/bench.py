"""`xlt bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xltransfer.errors import ConfigError, unknown
from xltransfer.registry import load_plugin

if TYPE_CHECKING:
    from xltransfer.bench.measure import Measured


def command(
    encoder: Annotated[str, typer.Option(metavar="NAME|PATH", help="as in run, or random:xlm-roberta-base")] = "tiny",
    rtn: Annotated[str, typer.Option(metavar="NAME", help="representation transformation network")] = "mlp",
    layer: Annotated[list[int] | None, typer.Option(metavar="N", help="insertion layer; repeat [2]")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="backend or baseline, options as in func:mode=forward; repeat [all]"),
    ] = None,
    batch: Annotated[int, typer.Option("--batch-size", metavar="N", help="sentences of each language a step")] = 10,
    length: Annotated[int, typer.Option(metavar="N", help="subwords of a sentence")] = 32,
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32 or bf16")] = "fp32",
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda")] = "auto",
    repeats: Annotated[int, typer.Option(metavar="N", help="timed steps of each")] = 7,
    memory: Annotated[bool, typer.Option("--memory", help="peak memory too, each in a process of its own")] = False,
    error: Annotated[bool, typer.Option("--error", help="error of the meta-gradient against float64 too")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Python file that registers parts")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the figures there")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> None:
    """Time."""
    if precision not in ("fp32", "bf16"):
        raise ConfigError([unknown("precision", precision, ("fp32", "bf16"))])
    if repeats < 1:
        raise ConfigError([f"repeats: received {repeats}; allowed: 1 or more."])
    if as_json is not None and as_json.exists():
        raise ConfigError([f"json: {str(as_json)!r} exists; name another file."])
    for path in plugin or []:
        load_plugin(path.resolve())

    from rich.console import Console

    from xltransfer.bench.candidates import candidates
    from xltransfer.bench.measure import measure
    from xltransfer.bench.setting import BenchSetting
    from xltransfer.training.run_folder import environment, write_json

    setting = BenchSetting(encoder, rtn, tuple(layer or [2]), batch, length, precision, device)  # type: ignore[arg-type]
    if faults := setting.faults():
        raise ConfigError(faults)
    names = list(dict.fromkeys(["joint", *(backend or candidates())]))
    console = Console(stderr=True, quiet=quiet)
    with console.status("preparing") as status:
        found = measure(setting, names, repeats, memory, error, status.update)
    _print_table(found)
    if as_json is not None:
        described = {"encoder": encoder, "rtn": rtn, "layer": list(setting.layer), "batch": batch, "length": length,
                     "precision": precision, "repeats": repeats}  # fmt: skip
        write_json(as_json, {"setting": described, "machine": environment(), "steps": [m.to_dict() for m in found]})


def _print_table(found: list[Measured]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in ("step", "seconds", "joint steps", "tokens/s", "peak GB", "error"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for one in found:
        table.add_row(
            one.name,
            f"{one.seconds:.3f}",
            "" if one.ratio is None else f"{one.ratio:.2f}",
            f"{one.tokens_a_second:,.0f}",
            "" if one.peak_bytes is None else f"{one.peak_bytes / 1e9:.2f}",
            "" if one.error is None else f"{one.error:.0e}",
        )
    Console().print(table)
