"""`xlt data show`: what was understood of a language's data, and counts of labels, lengths and subwords."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xltransfer.cli.options import pairs, switch
from xltransfer.cli.output import print_line, print_table
from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.errors import DataError

if TYPE_CHECKING:
    from xltransfer.data.readers.understood import Reading
    from xltransfer.datasets.base import Dataset
    from xltransfer.datasets.statistics import SplitStatistics

_EXAMPLES = 10
_GUESSED = ("ner", "pos", "classification", "pair")
"""Tasks that are tried in this order for a folder, if none is given."""


def command(
    data: Annotated[str, typer.Argument(metavar="NAME|PATH", help="a named corpus, or a folder of your own")],
    target: Annotated[str, typer.Option(metavar="LANG", help="the language")],
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="as of xlt run (default: the corpus's; of a folder, what fits)"),
    ] = None,
    task_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the task")] = None,
    data_opt: Annotated[list[str] | None, typer.Option(metavar="K=V", help="option of the dataset")] = None,
    encoder: Annotated[str, typer.Option(metavar="NAME|PATH", help="whose subwords are counted")] = "tiny",
    as_json: Annotated[bool, switch("--json", help="print one JSON object")] = False,
) -> None:
    """Show."""
    from xltransfer.datasets.files import language_folder
    from xltransfer.datasets.statistics import statistics
    from xltransfer.encoders.loading import open_encoder

    options = {"data": data, "data_options": pairs("data-opt", data_opt or []), "encoder": encoder,
               "task_options": pairs("task-opt", task_opt or [])}  # fmt: skip
    name, dataset, splits = _loaded(options, task, target)
    tokenizer = open_encoder(encoder).tokenizer
    found = {split: statistics(part, tokenizer) for split, part in splits.items()}
    examples = next(iter(splits.values()))[:_EXAMPLES]
    readings = {str(file.relative_to(language_folder(file))): reading for file, reading in dataset.readings().items()}
    if as_json:
        parts = {split: part.to_dict() for split, part in found.items()}
        files = {name: _described(reading) for name, reading in readings.items()}
        shown = [_shown(example) for example in examples]
        print(json.dumps({**parts, "files": files, "examples": shown, "notes": dataset.notes()}, ensure_ascii=False))
        return
    lines: dict[str, list[str]] = {}
    for file, reading in readings.items():
        lines.setdefault("; ".join(_understood(reading)), []).append(file)
    for line, same in lines.items():
        print_line(f"{', '.join(same)}: {line}")
    for note in dataset.notes():
        print_line(note)
    title = f"{data}, {dataset.spelling(target)}: {name}; subwords of {encoder}"
    print_table(["", *found], [[heading, *values] for heading, values in _rows(found).items()], title)
    for example in examples:
        print_line(_shown(example))


def _loaded(options: dict[str, Any], task: str | None, target: str) -> tuple[str, Dataset, dict[str, list[Example]]]:
    """The task's name, which the first split decides if none is given; the dataset; its splits. Raises DataError."""
    from xltransfer.datasets.statistics import each_split
    from xltransfer.registry import TASKS
    from xltransfer.training.data.reading import open_dataset

    corpus = CORPORA.get(options["data"])
    if corpus and task in (None, corpus.tasks[0]):
        options["task_options"] = {**dict(corpus.task_options), **options["task_options"]}
    faults: list[DataError] = []
    for name in [task] if task else [corpus.tasks[0]] if corpus else _GUESSED:
        config = RunConfig.from_mapping({**options, "task": name}).validated()
        try:
            dataset = open_dataset(config)
            splits = each_split(dataset, TASKS.load(name)(**config.task_options), target)
            first, examples = next(splits)
        except DataError as error:
            faults.append(error)
        else:
            return name, dataset, {first: examples, **dict(splits)}
    raise faults[0]


def _described(reading: Reading) -> dict[str, Any]:
    scheme = reading.scheme and reading.scheme.title
    return {"format": reading.format, "columns": list(reading.columns), "scheme": scheme, "changed": reading.changed}


def _understood(reading: Reading) -> Iterator[str]:
    yield reading.format
    if reading.columns:
        yield f"read as {', '.join(reading.columns)}"
    if reading.scheme is not None:
        yield f"tags of scheme {reading.scheme.title}"


def _shown(example: Example) -> str:
    """An example as it was read."""
    if isinstance(example, TaggedSentence):
        return " ".join(
            word if tag == "O" else f"{word}/{tag}" for word, tag in zip(example.words, example.tags, strict=True)
        )
    return f"{example.label}: {example.shown}"


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
