"""`xlt bench`: time meta-gradient steps."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xltransfer.cli.options import switch
from xltransfer.cli.output import print_table, status
from xltransfer.errors import ConfigError
from xltransfer.registry import load_plugin
from xltransfer.utils.files import require_writable
from xltransfer.utils.pictures import file_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from xltransfer.bench.measure import Measured, Wanted
    from xltransfer.bench.setting import BenchSetting

    Tell = Callable[[str], None]


def command(
    encoder: Annotated[str, typer.Option(metavar="NAME|PATH", help="as in run, or random:xlm-roberta-base")] = "tiny",
    rtn: Annotated[str, typer.Option(metavar="NAME", help="representation transformation network")] = "mlp",
    layer: Annotated[list[int] | None, typer.Option(metavar="N", help="insertion layer; repeat (default: 2)")] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="backend or baseline, as in func, func:mode=forward, func@bf16; repeat"),
    ] = None,
    batch: Annotated[int, typer.Option("--batch-size", metavar="N", help="sentences of each language a step")] = 10,
    length: Annotated[int, typer.Option(metavar="N", help="subwords of a sentence")] = 32,
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32, tf32 or bf16")] = "fp32",
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda")] = "auto",
    recompute: Annotated[bool, switch("--recompute", help="activations anew in the backward pass")] = False,
    compile: Annotated[bool, switch("--compile", help="compile the encoder's layers")] = False,
    repeats: Annotated[int, typer.Option(metavar="N", help="timed steps of each")] = 7,
    memory: Annotated[bool, switch("--memory", help="peak memory too, each in a process of its own")] = False,
    error: Annotated[bool, switch("--error", help="error of the meta-gradient against float64 too")] = False,
    over: Annotated[
        str | None, typer.Option(metavar="NAME=V,V", help="vary batch-size, length, layer, vocabulary or encoder")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="picture of what --over varies")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Python file that registers parts")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the figures there")] = None,
    quiet: Annotated[bool, switch("--quiet", help="no progress")] = False,
) -> None:
    """Time."""
    faults = _file_faults(over, picture, as_json)
    if repeats < 1:
        faults.append(f"repeats: received {repeats}; allowed: 1 or more.")
    if faults:
        raise ConfigError(faults)
    for file in (as_json, picture):
        if file is not None and file.parent.exists():
            require_writable(file)
    for path in plugin or []:
        load_plugin(path.resolve())

    from xltransfer.bench.candidates import candidates, validate_precision
    from xltransfer.bench.measure import Wanted
    from xltransfer.bench.setting import BenchSetting
    from xltransfer.bench.sweep import parse

    setting = BenchSetting(
        encoder, rtn, tuple(layer or [2]), batch, length, validate_precision(precision), device,
        activations="recompute" if recompute else "keep", compile=compile,
    )  # fmt: skip
    if faults := setting.faults():
        raise ConfigError(faults)
    names = list(dict.fromkeys(["joint", *(backend or candidates())]))
    wanted = Wanted(repeats, memory, error)
    varied, values = parse(over) if over else ("", [])
    with status(quiet) as show_status:
        figures = (
            _varied(setting, varied, values, names, wanted, picture, show_status)
            if varied
            else _one(setting, names, wanted, show_status)
        )
    if as_json is not None:
        _write(as_json, setting, wanted, figures)


def _one(setting: BenchSetting, names: list[str], wanted: Wanted, show_status: Tell) -> dict[str, Any]:
    from xltransfer.bench.measure import measure

    found = measure(setting, names, wanted, show_status)
    print_measured("", found)
    return {"steps": [one.to_dict() for one in found]}


def _varied(
    setting: BenchSetting, over: str, values: list[int | str], names: list[str], wanted: Wanted,
    picture: Path | None, show_status: Tell,
) -> dict[str, Any]:  # fmt: skip
    from xltransfer.bench.plot import plot
    from xltransfer.bench.sweep import sweep

    points = sweep(setting, over, values, names, wanted, show_status)
    for point in points:
        print_measured(f"{over} {point.value}", point.steps)
    if picture is not None:
        plot(points, over, picture)
    return {"over": over, "points": [point.to_dict() for point in points]}


def _file_faults(over: str | None, picture: Path | None, as_json: Path | None) -> list[str]:
    faults = []
    if as_json is not None and as_json.exists():
        faults.append(f"json: {str(as_json)!r} exists; name another file.")
    if picture is not None and over is None:
        faults.append("plot: draws what --over varies; pass --over NAME=V,V too.")
    return faults + file_faults(picture)


def _write(file: Path, setting: BenchSetting, wanted: Any, figures: dict[str, Any]) -> None:
    from xltransfer.training.run_folder import environment
    from xltransfer.utils.files import write_json

    described = {**dataclasses.asdict(setting), "layer": list(setting.layer), "repeats": wanted.repeats}
    del described["dtype"]
    write_json(file, {"setting": described, "machine": environment(), **figures})


_COLUMNS = ("step", "seconds", "/joint", "released/", "tokens/s", "GFLOP", "of peak", "GB", "error")


def print_measured(title: str, found: list[Measured]) -> None:
    """Print a table of what was measured."""
    rows = [_row(one) for one in found]
    used = [index for index in range(len(_COLUMNS)) if any(row[index] for row in rows)]
    print_table([_COLUMNS[index] for index in used], [[row[index] for index in used] for row in rows], title)
    for one in found:
        if one.roofline is None:
            print(f"warning: {one.name}: {one.operations / 1e9:,.1f} GFLOP do not fit in the {one.seconds:.3f} s "
                  "that were timed: they are another step's, or the machine was busy.", file=sys.stderr)  # fmt: skip


def _row(one: Measured) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.seconds:.3f}",
        "" if one.ratio is None else f"{one.ratio:.2f}",
        "" if one.speedup is None else f"{one.speedup:.2f}",
        f"{one.tokens_a_second:,.0f}",
        f"{one.operations / 1e9:,.1f}",
        "?" if one.roofline is None else f"{one.roofline:.0%}",
        "" if one.peak_bytes is None else f"{one.peak_bytes / 1e9:.2f}",
        "" if one.error is None else f"{one.error:.0e}",
    )
