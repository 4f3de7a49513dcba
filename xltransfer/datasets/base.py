"""The interface of a dataset: examples by task, language and split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from xltransfer.data.examples import Example
from xltransfer.data.readers.understood import Reading

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

    def notes(self) -> list[str]:
        """Return a sentence for each choice made on reading what was loaded so far that could have been otherwise."""
        return []

    def readings(self) -> Mapping[Path, Reading]:
        """Return what was understood of each file that was loaded so far, if the dataset consists of a user's files."""
        return {}

    def tag_scheme(self, language: str) -> str | None:
        """Return the scheme of the entity tags in a language's files, None if it is unknown or BIO."""
        return None
