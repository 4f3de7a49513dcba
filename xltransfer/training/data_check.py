"""The data of a run, checked without a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.datasets.base import SPLITS
from xltransfer.datasets.quality import Finding, find_data_problems
from xltransfer.errors import ConfigError
from xltransfer.registry import TASKS
from xltransfer.tasks.base import Task
from xltransfer.training.preparation import open_dataset


@dataclass(frozen=True)
class DataCheck:
    """The sizes of the sets, in sentences, and what is odd about them."""

    sizes: dict[str, int]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"sizes": self.sizes, "findings": [finding.to_dict() for finding in self.findings]}


def check_data(config: RunConfig) -> DataCheck:
    """All of the sources' training data and of the target's splits. Sources may be none. Raises UserError."""
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
