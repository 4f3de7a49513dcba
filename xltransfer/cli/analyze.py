"""`xlt analyze`: measure what training did to the representations of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from xltransfer.cli.options import PLUGIN_HELP, switch
from xltransfer.cli.output import print_table, status
from xltransfer.datasets.base import SPLITS
from xltransfer.errors import ConfigError, unknown

_TITLES = {"hausdorff": "Hausdorff", "hausdorff_average": "average", "hausdorff_95": "95 %", "centroid": "centroids",
           "classifier": "told apart", "neighbour_overlap": "neighbours", "cka": "CKA"}  # fmt: skip


def command(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run")],
    sentences: Annotated[int, typer.Option(metavar="N", help="of each set at most")] = 1000,
    resamples: Annotated[int, typer.Option(metavar="N", help="of the bootstrap; 0: no intervals")] = 200,
    projection: Annotated[str, typer.Option(metavar="NAME", help="of the map: pca, tsne or umap")] = "pca",
    split: Annotated[str, typer.Option(metavar="NAME", help="of the target: train, dev or test")] = "dev",
    device: Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu or cuda (default: the run's)")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help=PLUGIN_HELP)] = None,
    quiet: Annotated[bool, switch("--quiet", help="no progress, only the result")] = False,
    as_json: Annotated[bool, switch("--json", help="print what analysis.json holds, but for the map")] = False,
) -> None:
    """Analyse."""
    if split not in SPLITS:
        raise ConfigError([unknown("split", split, SPLITS)])
    lowest = {"sentences": (sentences, 2), "resamples": (resamples, 0)}
    if faults := [f"{name}: received {value}; allowed: {least} or more."
                  for name, (value, least) in lowest.items() if value < least]:  # fmt: skip
        raise ConfigError(faults)
    from xltransfer.analysis.analyze import FILE, Settings, analyze
    from xltransfer.training.progress import Reporter, WarningReporter

    class Telling(WarningReporter):
        def stage(self, message: str) -> None:
            show_status(message)

    with status(quiet) as show_status:
        reporter: Reporter = Telling()
        settings = Settings(sentences, resamples, projection, split, device)
        found = analyze(run_dir, settings, [str(path) for path in plugin or []], reporter)
    if as_json:
        print(json.dumps({name: value for name, value in found.items() if name != "map"}))
        return
    _print(found)
    print(f"written to {run_dir / FILE}; xlt report {run_dir} shows it")


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    head, title = ("layer", "sets", *_TITLES.values()), "distances of sentence vectors, before → after training"
    print_table(head, _rows(found["distances"]), title, left=2, caption=_legend(found))
    for layer, what in found["rtn"].get("after", {}).items():
        norms = ", ".join(f"{kind} {100 * one['relative_norm']:.0f} %" for kind, one in what["tokens"].items())
        console.print(f"RTN at layer {layer}: its change is, of the hidden state's norm: {norms}; effective rank "
                      f"{what['effective_rank']:.1f}", highlight=False)  # fmt: skip
    if weights := found["weights"].get("after"):
        low, *_, high = weights["quantiles"].values()
        console.print(f"weights of source sentences: mean {weights['mean']:.2f}, nine in ten from {low:.2f} to "
                      f"{high:.2f}; analysis.json names those that count most and least", highlight=False)  # fmt: skip


def _rows(distances: dict[str, Any]) -> Iterator[list[str]]:
    for layer, pairs in distances["before"].items():
        for pair, before in pairs.items():
            after = distances["after"][layer][pair]
            yield [layer, pair.replace("-", " – "), *(_change(before.get(name), after.get(name)) for name in _TITLES)]


def _change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    shown = [one["value"] for one in (before, after) if one is not None and one["value"] is not None]
    return " → ".join(f"{value:.2f}" for value in shown)


def _legend(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} of the {name}" for name, count in found["sentences"].items())
    return f"{counts}; told apart: a linear classifier's accuracy; neighbours: of the other set, 1 if mixed"
