"""Named corpora as datasets, from the Hugging Face Hub or a local mirror with the same layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from xltransfer.data.examples import Example, LabelledText, TaggedSentence
from xltransfer.data.languages import resolve
from xltransfer.data.readers.records import class_names
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.datasets.corpora import hub_files
from xltransfer.datasets.corpora.table import CORPORA, Columns, Corpus
from xltransfer.errors import DataError, MissingSplitError
from xltransfer.registry import TASKS

if TYPE_CHECKING:
    from xltransfer.tasks.base import Task

_MAX_STARS = 5


class NamedCorpus(Dataset):
    """A corpus of the table in `table.py`. Ids of examples are `LANGUAGE.SPLIT:ROW`, with rows from 0 as on the Hub."""

    corpus: ClassVar[Corpus]

    def __init__(
        self,
        *,
        mirror: Annotated[str | None, "a folder with the corpus as the hub lays it out [hub or its cache]"] = None,
    ) -> None:
        self.mirror = None if mirror is None else Path(mirror)

    def languages(self) -> list[str]:
        """Return the languages in the corpus's own spelling."""
        return list(self.corpus.languages) or hub_files.list_configurations(self.corpus, self.mirror)

    def spelling(self, language: str) -> str:
        if not self.corpus.languages and hub_files.has_files(self.corpus, self.mirror, language):
            return language  # without listing the repository
        return resolve(language, self.languages(), f"data {self.corpus.name}")

    def load(self, task: Task, language: str, split: str) -> list[Example]:
        """See `Dataset.load`. Labels are the names that the corpus uses."""
        self._check_task(task)
        language = self.spelling(language)
        files = hub_files.find_files(self.corpus, self.mirror, language)
        if split not in files:
            found = ", ".join(name for name in SPLITS if name in files) or "none"
            raise MissingSplitError(
                f"data {self.corpus.name}: language {language!r} has no {split} split; found: {found}."
            )
        table = hub_files.read_table(self.corpus, files[split])
        return task.prepare(self._examples(task, table, language, split))

    def _check_task(self, task: Task) -> None:
        """Raise DataError for a built-in task without labels in the corpus, or a plugin's task of the other kind."""
        own = tuple(TASKS.load(name) for name in self.corpus.tasks)
        builtin = tuple(TASKS.load(name) for name in ("ner", "pos", "sentiment"))
        if isinstance(task, own) or (not isinstance(task, builtin) and task.kind == own[0].kind):
            return
        names = ", ".join(self.corpus.tasks)
        raise DataError(f"data {self.corpus.name}: no labels for {type(task).__name__}; allowed tasks: {names}.")

    def _examples(self, task: Task, table: Any, language: str, split: str) -> list[Example]:
        columns = self._columns(table)
        names = class_names(table.features[columns.label]) or self.corpus.labels
        mixed = "language" in table.column_names  # a mirror may hold all languages in one file
        examples: list[Example] = []
        for row, record in enumerate(table):
            if mixed and record["language"] != language:
                continue
            examples += self._example(task, f"{language}.{split}:{row}", record, columns, names)
        if not examples:
            raise DataError(f"data {self.corpus.name}: the {split} split of {language!r} is empty.")
        return examples

    def _example(
        self, task: Task, id: str, record: dict[str, Any], columns: Columns, names: tuple[str, ...]
    ) -> list[Example]:
        content, label = record[columns.content], record[columns.label]
        if task.kind == "tagging":
            tags = tuple(self._label_name(id, tag, columns, names) for tag in label)
            if len(tags) != len(content):
                raise DataError(f"data {self.corpus.name}: {id}: {len(content)} words but {len(tags)} tags.")
            # multi-word tokens and empty nodes of treebanks have no tag of their own
            pairs = [pair for pair in zip(content, tags, strict=True) if pair[1] != "_" and pair[0].strip()]
            for _, tag in pairs:
                if problem := task.check_label(tag):
                    raise DataError(f"data {self.corpus.name}: {id}: {problem}")
            return [TaggedSentence(id, *map(tuple, zip(*pairs, strict=True)))] if pairs else []
        text = " ".join(str(content or "").split())
        return [LabelledText(id, text, self._label_name(id, label, columns, names), columns.scale)] if text else []

    def _label_name(self, id: str, label: Any, columns: Columns, names: tuple[str, ...]) -> str:
        if columns.scale == "stars":
            stars = int(label) + columns.first
            if not 1 <= stars <= _MAX_STARS:
                raise DataError(
                    f"data {self.corpus.name}: {id}: {columns.label} is {label}; allowed: {1 - columns.first} to "
                    f"{_MAX_STARS - columns.first} in a file with that column."
                )
            return str(stars)
        if isinstance(label, str):
            return label
        if label is None or label == -1:
            raise MissingSplitError(f"data {self.corpus.name}: {id}: no label; those of this split are not published.")
        if label >= len(names):
            raise DataError(
                f"data {self.corpus.name}: {id}: label {label} has no name; names: {', '.join(names) or 'none'}. The "
                "copy may be of another corpus, or its files lack the names."
            )
        return names[int(label)]

    def _columns(self, table: Any) -> Columns:
        for columns in self.corpus.columns:
            if {columns.content, columns.label} <= set(table.column_names):
                return columns
        wanted = " or ".join(f"{columns.content} and {columns.label}" for columns in self.corpus.columns)
        raise DataError(f"data {self.corpus.name}: its columns are {', '.join(table.column_names)}; needed: {wanted}.")


def _classes() -> dict[str, type[NamedCorpus]]:
    """Create one class per corpus for the registry. They differ only in their table row."""
    return {
        name: type(name, (NamedCorpus,), {"corpus": row, "__doc__": f"{row.citation}: {row.source}."})
        for name, row in CORPORA.items()
    }


globals().update(_classes())
