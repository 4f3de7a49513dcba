"""Self-training: a trained model labels sentences of the target language, which then are a further source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, TaggedSentence, content
from xltransfer.data.readers.lines import read_lines
from xltransfer.data.sampling import sample
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.errors import ConfigError, DataError
from xltransfer.registry.trusted_code import names_code
from xltransfer.tasks.base import Task
from xltransfer.training.progress import Reporter
from xltransfer.training.trained_model import TrainedModel


def labelled_by_teacher(
    config: RunConfig, task: Task, dataset: Dataset, target: Sequence[Example], reporter: Reporter
) -> list[Example]:
    """Return sentences of the target language with the labels that the teacher, a finished run, predicts.

    They are drawn from `--unlabelled`, a split of the dataset (whose own labels are not looked at) or a file with one
    text a line, without those in the `target` sample; then the share `unlabelled_keep` of which the teacher is most
    certain is kept, in the order drawn. Raises UserError.
    """
    folder = config.teacher_folder
    assert folder is not None
    reporter.stage(f"labelling {config.unlabelled} by {folder}")
    given = config.task if names_code(config.task) else None
    teacher = TrainedModel.load(folder, config.device, given)
    if type(teacher.task) is not type(task):
        raise ConfigError([f"teacher: {folder!r} was trained for another task than {config.task}; give a run "
                           "of the same task."])  # fmt: skip
    known = {content(example) for example in target}
    pool = {content(example): example for example in reversed(_unlabelled(config, task, dataset, teacher))}
    fresh = [example for text, example in reversed(pool.items()) if text not in known]
    size = None if config.unlabelled_size is None else min(config.unlabelled_size, len(fresh))
    drawn = sample(fresh, size, config.sample_seed, "unlabelled_size")
    if not drawn:
        raise DataError(f"unlabelled: {config.unlabelled!r} has no sentence that is not in the target sample; give a "
                        "split or a file with more.")  # fmt: skip
    labels = teacher.predict(drawn)
    keep, kept = config.unlabelled_keep, list(range(len(drawn)))
    if keep < 1:
        kept = sorted(_most_certain(teacher.certainties(drawn), keep))
    reporter.note(f"{len(kept):,} of {len(drawn):,} sentences of {config.unlabelled} are a source, labelled by "
                  f"{folder}")  # fmt: skip
    return [_labelled(drawn[number], labels[number]) for number in kept]


def _unlabelled(config: RunConfig, task: Task, dataset: Dataset, teacher: TrainedModel) -> list[Example]:
    if config.unlabelled in SPLITS:
        assert config.target is not None
        return dataset.load(task, config.target, config.unlabelled)
    file = Path(config.unlabelled)
    if not file.is_file():
        raise DataError(f"unlabelled: {config.unlabelled!r} is not a file; allowed: {', '.join(SPLITS)}, or a file "
                        "with one text a line.")  # fmt: skip
    return teacher.read(read_lines(file), pretokenized=False)


def _labelled(example: Example, label: Any) -> Example:
    if isinstance(example, TaggedSentence):
        return dataclasses.replace(example, tags=tuple(label))
    return dataclasses.replace(example, label=label)


def _most_certain(certainties: Sequence[float], share: float) -> list[int]:
    """The numbers of the share with the highest values; at least one, the earliest of equals."""
    order = sorted(range(len(certainties)), key=lambda number: -certainties[number])
    return order[: max(1, round(share * len(order)))]
