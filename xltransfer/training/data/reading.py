"""Read the data of a run: open its datasets, resolve languages, and check what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example
from xltransfer.data.sampling import sample
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.datasets.folder import Folder
from xltransfer.datasets.quality import Finding, find_data_problems, summary
from xltransfer.errors import ConfigError, DataError, UserError
from xltransfer.registry import DATASETS, TASKS
from xltransfer.tasks.base import Task
from xltransfer.training.progress import Reporter


@dataclass(frozen=True)
class DataCheck:
    """Sizes of the data sets in sentences, and problems found in them."""

    sizes: dict[str, int]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        return {"sizes": self.sizes, "findings": [finding.to_dict() for finding in self.findings]}


def check_data(config: RunConfig) -> DataCheck:
    """Check the training data of the sources, which may be none, and all splits of the target. Raises UserError."""
    task: Task = TASKS.load(config.task)(**config.task_options)
    dataset = open_dataset(config)
    target = config.target or dataset.default_target
    if target is None:
        raise ConfigError([f"target: none given; pass --target LANG; it holds: {', '.join(dataset.languages())}."])
    names = config.source or dataset.default_source
    sources = {name: dataset.load(task, name, "train") for name in names}
    train, dev, test = (dataset.load(task, target, split) for split in SPLITS)
    sizes = {f"source {name}": len(examples) for name, examples in sources.items()}
    sizes |= {"target train": len(train), "target dev": len(dev), "target test": len(test)}
    return DataCheck(sizes, tuple(find_data_problems(task, sources, train, dev, test)))


def open_dataset(config: RunConfig) -> Dataset:
    """Return the dataset that a configuration names. Raises DataError."""
    if config.data in DATASETS:
        dataset: Dataset = DATASETS.load(config.data)(**config.data_options)
        return dataset
    return Folder(Path(config.data), config.split_seed, **config.data_options)


def open_datasets(config: RunConfig) -> tuple[Dataset, Dataset]:
    """Return the datasets of the sources and of the target, which are one unless `source_data` says otherwise."""
    dataset = open_dataset(config)
    if config.source_data is None:
        return dataset, dataset
    of_sources = dataclasses.replace(config, data=config.source_data, data_options=config.source_data_options)
    return open_dataset(of_sources), dataset


def resolve_languages(config: RunConfig, sources: Dataset, dataset: Dataset) -> RunConfig:
    """Resolve languages to their datasets' spelling, which run folders and saved configurations use."""
    source, target = config.source or sources.default_source, config.target or dataset.default_target
    missing = [f"{what}: none given; pass --{what} LANG; {data} holds: {', '.join(held.languages())}."
               for what, value, data, held in (("source", source, config.source_data or config.data, sources),
                                               ("target", target, config.data, dataset)) if not value]  # fmt: skip
    if missing or target is None:
        raise ConfigError(missing)
    source, target = tuple(sources.spelling(language) for language in source), dataset.spelling(target)
    if target in source:
        raise ConfigError([f"target: {target!r} is also a source; name two different languages."])
    return dataclasses.replace(config, source=source, target=target)


def target_sample(config: RunConfig, pool: Sequence[Example]) -> list[Example]:
    """Draw the labelled sentences of the target language. Raises DataError."""
    return sample(pool, config.target_size, config.sample_seed, f"target_size ({config.target})", config.stratify)


def collect_labels(
    task: Task, sources: Sequence[list[Example]], target: list[Example], reporter: Reporter
) -> tuple[str, ...]:
    """Collect the labels of source and target. Warn of labels that only one of them has."""
    source_labels = task.label_set([example for pool in sources for example in pool])
    target_labels = task.label_set(target)
    for these, those, what in ((source_labels, target_labels, "source"), (target_labels, source_labels, "target")):
        if missing := [label for label in these if label not in those]:
            other = "target" if what == "source" else "source"
            reporter.warn(f"labels of the {what} that the {other}'s training data lack: {', '.join(missing)}.")
    labels = task.label_set([example for pool in (*sources, target) for example in pool])
    if len(labels) < 2:
        raise UserError(f"data: the training data hold one label, {labels}; at least two are needed to learn.")
    return tuple(labels)


def report_findings(findings: Sequence[Finding], reporter: Reporter) -> None:
    """Warn of problems in the data. Raises DataError for an empty set."""
    if empty := [finding.where for finding in findings if finding.kind == "empty"]:
        raise DataError(f"data: no sentence with a label of the task in: {', '.join(empty)}; give at least one.")
    for line in summary(findings):
        reporter.warn(line)
