"""Self-training: a trained model labels sentences of the target language, which then are a further source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, TaggedSentence, content
from xltransfer.data.readers.lines import read_lines
from xltransfer.data.readers.records import holds_records
from xltransfer.data.sampling import sample
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.errors import ConfigError, DataError
from xltransfer.registry import TASKS
from xltransfer.registry.trusted_code import names_code
from xltransfer.tasks.base import Task
from xltransfer.training.data.reading import target_sample
from xltransfer.training.progress import Reporter
from xltransfer.training.trained_model import TrainedModel, examples_of_lines, read_metrics

_NOT_TEXT = {".csv", ".tsv", ".conll", ".conllu", ".conllup", ".bio", ".iob", ".iob2", ".xlsx"}
"""Suffixes of files that hold more than texts."""

Load = Callable[[str], Sequence[Example]]
"""Gives the examples of a split of the target language."""


def labelled_by_teacher(
    config: RunConfig, task: Task, load: Load, target: Sequence[Example], reporter: Reporter
) -> list[Example]:
    """Return the sentences that `drawn` draws with the labels that the teacher, a finished run, predicts.

    Of these the share `unlabelled_keep` is kept of which the teacher is most certain. Raises UserError.
    """
    folder = config.teacher_folder
    assert folder is not None
    reporter.stage(f"labelling {config.unlabelled} by {folder}")
    given = config.task if names_code(config.task) else None
    teacher = TrainedModel.load(folder, config.device, given)
    if type(teacher.task) is not type(task):
        raise ConfigError([f"teacher: {folder!r} was trained for another task than {config.task}; give a run of the "
                           "same task."])  # fmt: skip
    found = drawn(config, task, load, target)
    labels = teacher.predict(found)
    keep, kept = config.unlabelled_keep, list(range(len(found)))
    if keep < 1:
        kept = sorted(_most_certain(teacher.certainties(found), keep))
    reporter.note(
        f"{len(kept):,} of {len(found):,} sentences of {config.unlabelled} are a source, labelled by {folder}"
    )
    return [_labelled(found[number], labels[number]) for number in kept]


def drawn(config: RunConfig, task: Task, load: Load, target: Sequence[Example]) -> list[Example]:
    """Draw sentences of `--unlabelled`, without those in the `target` sample and without duplicates.

    That is a split of the target, which `load` gives and whose own labels are not to be looked at, or a file with one
    text a line. Raises UserError.
    """
    if config.unlabelled in SPLITS:
        found = load(config.unlabelled)
    elif (file := Path(config.unlabelled)).is_file():
        found = examples_of_lines(task, _texts(file))
    else:
        raise DataError(f"unlabelled: {config.unlabelled!r} is not a file; allowed: {', '.join(SPLITS)}, or a file "
                        "with one text a line.")  # fmt: skip
    known = {content(example) for example in target}
    pool = {content(example): example for example in reversed(found)}
    fresh = [example for text, example in reversed(pool.items()) if text not in known]
    if not fresh:
        raise DataError(f"unlabelled: {config.unlabelled!r} has no sentence that is not in the target sample; give a "
                        "split or a file with more.")  # fmt: skip
    size = None if config.unlabelled_size is None else min(config.unlabelled_size, len(fresh))
    return sample(fresh, size, config.sample_seed, "unlabelled_size")


def _texts(file: Path) -> list[str]:
    """The lines of a file of plain text. Raises DataError for one of records, or of columns."""
    lines = read_lines(file)
    columns = 2 * sum("\t" in line for line in lines) > len(lines)
    if file.suffix.lower() in _NOT_TEXT or columns or holds_records(file):
        what = "columns separated by tabs" if columns else f"a file of {file.suffix or 'records'}"
        raise DataError(f"unlabelled: {str(file)!r}: received {what}; needed: plain text, one sentence a line.")
    return lines


def check_unlabelled(config: RunConfig, dataset: Dataset) -> None:
    """Raise UserError if a teacher, before it is trained, would have nothing to label."""
    task: Task = TASKS.load(config.task)(**config.task_options)
    load = cache(partial(dataset.load, task, str(config.target)))
    drawn(config, task, load, target_sample(config, load("train")))


def teacher_metrics(config: RunConfig) -> dict[str, Any]:
    """The teacher's metrics, to compare with; empty without a teacher, or of a model alone.

    Its scores are on the same sentences only if it was trained for the same target and data.
    """
    if config.teacher_folder is None:
        return {}
    try:
        return read_metrics(Path(config.teacher_folder))
    except ConfigError:
        return {}


def _labelled(example: Example, label: Any) -> Example:
    if isinstance(example, TaggedSentence):
        return dataclasses.replace(example, tags=tuple(label))
    return dataclasses.replace(example, label=label)


def _most_certain(certainties: Sequence[float], share: float) -> list[int]:
    """The numbers of the share with the highest values; at least one, the earliest of equals."""
    order = sorted(range(len(certainties)), key=lambda number: -certainties[number])
    return order[: max(1, round(share * len(order)))]
