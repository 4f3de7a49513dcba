"""Check the data of a configuration without training."""

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
