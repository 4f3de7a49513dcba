"""The interface of a dataset: examples by task, language and split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from xltransfer.data.examples import Example

if TYPE_CHECKING:
    from xltransfer.tasks.base import Task

SPLITS = ("train", "dev", "test")


class Dataset(ABC):
    """Base class of datasets. Options are keyword parameters of the constructor."""

    default_source: ClassVar[tuple[str, ...]] = ()
    default_target: ClassVar[str | None] = None

    @abstractmethod
    def languages(self) -> list[str]:
        """Return the languages of the dataset."""

    def spelling(self, language: str) -> str:
        """Return the dataset's own spelling of a language that a user names. Raises DataError if it has none."""
        return language

    @abstractmethod
    def load(self, task: Task, language: str, split: str) -> list[Example]:
        """Return all examples of a split (train, dev or test), in a fixed order. Raises DataError."""
