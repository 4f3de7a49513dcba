"""`xlt data show`: count labels, lengths and subwords of a language's data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xltransfer.cli.options import pairs, switch
from xltransfer.cli.output import print_table
from xltransfer.config import RunConfig
from xltransfer.datasets.corpora.table import CORPORA

if TYPE_CHECKING:
    from xltransfer.datasets.statistics import SplitStatistics


def command(
    data: Annotated[str, typer.Argument(metavar="NAME|PATH", help="a named corpus, or a folder of your own")],
    target: Annotated[str, typer.Option(metavar="LANG", help="the language")],
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="ner, pos or sentiment (default: the corpus's)")
    ] = None,
    task_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the task")] = None,
    data_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of a named corpus")] = None,
    encoder: Annotated[str, typer.Option(metavar="NAME|PATH", help="whose subwords are counted")] = "tiny",
    as_json: Annotated[bool, switch("--json", help="print one JSON object")] = False,
) -> None:
    """Show."""
    corpus = CORPORA.get(data)
    given = {"data": data, "data_options": pairs("data-opt", data_opt or []), "encoder": encoder,
             "task": task or (corpus.tasks[0] if corpus else "ner"),
             "task_options": pairs("task-opt", task_opt or [])}  # fmt: skip
    if corpus and task in (None, corpus.tasks[0]):
        given["task_options"] = {**dict(corpus.task_options), **given["task_options"]}  # type: ignore[dict-item]
    config = RunConfig.from_mapping(given).validated()

    from xltransfer.datasets.statistics import describe
    from xltransfer.encoders.loading import open_encoder
    from xltransfer.registry import TASKS
    from xltransfer.training.preparation import open_dataset

    dataset = open_dataset(config)
    found = describe(dataset, TASKS.load(config.task)(**config.task_options), target, open_encoder(encoder).tokenizer)
    if as_json:
        print(json.dumps({split: part.to_dict() for split, part in found.items()}))
        return
    title = f"{data}, {dataset.spelling(target)}: {config.task}; subwords of {encoder}"
    print_table(["", *found], [[heading, *values] for heading, values in _rows(found).items()], title)


def _rows(found: dict[str, SplitStatistics]) -> dict[str, list[str]]:
    parts: list[Any] = list(found.values())
    rows = {
        "examples": [f"{part.examples:,}" for part in parts],
        "words, mean / median / longest": [
            f"{part.mean_length:.1f} / {part.median_length:g} / {part.longest}" for part in parts
        ],
        "subwords a word": [f"{part.subwords_per_word:.2f}" for part in parts],
        "unknown subwords": [f"{100 * part.unknown_subwords:.2f} %" for part in parts],
    }
    for label in dict.fromkeys(label for part in parts for label in part.labels):
        rows[label] = [f"{part.labels.get(label, 0):,}" for part in parts]
    return rows
