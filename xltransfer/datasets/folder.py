"""A folder of the user's own files as a dataset, with one subfolder per language and files for each split."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from xltransfer.data import languages
from xltransfer.data.examples import Example, content
from xltransfer.data.readers.labelled import label_from_filename, labels_of, understand_labelled
from xltransfer.data.readers.records import holds_records
from xltransfer.data.readers.tagged_records import understand_records
from xltransfer.data.readers.texts.labels import Scale
from xltransfer.data.readers.understood import Reading
from xltransfer.data.readers.words.tagged import understand_tagged
from xltransfer.data.schemes import BIO, NAMES
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.datasets.files import SUFFIXES, are_shards, data_files, is_split_folder, language_folder, split_of
from xltransfer.datasets.published.splits import published_split
from xltransfer.errors import DataError, MissingSplitError, unknown

if TYPE_CHECKING:
    from xltransfer.tasks.base import Task

_DEPTH = 3
SPLIT_SHARES = (0.6, 0.2)
"""Shares of train and dev for a corpus without splits; the rest is test."""


class Folder(Dataset):
    """Dataset of a folder `root` with a folder for each language, at most three levels down.

    A language is a folder's name (`ig`), its path (`wikiann/ig`), the code before an underscore (`en` for `en_ewt`),
    a treebank's name or code (`maltese` or `mt` for `UD_Maltese-MUDT`), or another code or name of that language. Files
    without a split in their name are split by a `data_index.txt` beside the language folder, or else at random by
    `data_seed`, without duplicate texts. Raises DataError if `root` is not a folder.
    """

    def __init__(
        self,
        root: str | Path,
        data_seed: int,
        *,
        columns: Annotated[
            str, "names of the columns in their order, as in index,word,pos,chunk,tag; _ is not read"
        ] = "",
        scheme: Annotated[str | None, f"scheme of entity tags: {', '.join(NAMES)}; -suffix for PER-B [found]"] = None,
        scale: Annotated[Scale | None, "a text's labels: stars, polarity, binary (0 and 1) or name [found]"] = None,
    ) -> None:
        self.root = Path(root)
        self.data_seed = data_seed
        self.columns = tuple(name.strip() for name in columns.split(",")) if columns else ()
        self.scheme = scheme
        self.scale = scale
        self._readings: dict[Path, Reading] = {}
        self._labels: dict[Path, set[str]] = {}
        if not self.root.is_dir():
            raise DataError(f"data: {str(root)!r} is neither a registered dataset nor a folder.")

    def languages(self) -> list[str]:
        """Return the paths of the language folders."""
        return sorted(str(folder.relative_to(self.root)) for folder in self._folders)

    def load(self, task: Task, language: str, split: str) -> list[Example]:
        folder = self.find(language)
        by_split: dict[str | None, list[Path]] = {}
        for file in data_files(folder):
            by_split.setdefault(split_of(file), []).append(file)
        if split in by_split:
            return task.prepare(self._read(task, by_split[split]))
        if set(by_split) == {None}:
            examples = self._read(task, by_split[None])
            published = published_split(folder, split, examples, task.prepare)
            return self._random_split(task.prepare(examples), split) if published is None else published
        found = ", ".join(name for name in SPLITS if name in by_split)
        raise MissingSplitError(f"{folder}: language {language!r} has no {split} split; found: {found}.")

    def find(self, language: str) -> Path:
        """Find the folder of a language. Raises DataError if there is none, or more than one."""
        exact = [f for f in self._folders if language in (f.name, str(f.relative_to(self.root)))]
        matches = exact or [f for f in self._folders if language.lower() in _aliases(f)]
        if not matches:
            spellings = languages.matches(language, [str(folder.relative_to(self.root)) for folder in self._folders])
            matches = [self.root / spelling for spelling in spellings]
        if not matches:
            raise DataError(unknown(f"language in {self.root}", language, self.languages()))
        if len(matches) > 1:
            paths = ", ".join(str(match.relative_to(self.root)) for match in matches)
            raise DataError(
                f"language {language!r} is in several folders of {self.root}: {paths}. Name one by its path."
            )
        return matches[0]

    @cached_property
    def _folders(self) -> list[Path]:
        below = [self.root]
        for depth in range(1, _DEPTH + 1):
            below += sorted(path for path in self.root.glob("/".join("*" * depth)) if path.is_dir())
        folders = [folder for folder in below if not is_split_folder(folder) and data_files(folder)]
        if not folders:
            raise DataError(f"data: no folder in {str(self.root)!r} holds data files ({', '.join(sorted(SUFFIXES))}).")
        return folders

    def _read(self, task: Task, files: list[Path]) -> list[Example]:
        by_class = task.kind == "text" and all(label_from_filename(file) for file in files)
        if len(files) > 1 and not by_class and not are_shards(files):
            names = ", ".join(file.name for file in files)
            raise DataError(f"{files[0].parent}: several files for one split: {names}. Keep one, or one a class.")
        return [example for file in files for example in self._read_file(task, file)]

    def _read_file(self, task: Task, file: Path) -> Sequence[Example]:
        if file.suffix.lower() == ".spacy":
            raise DataError(
                f"{file}: spaCy's binary format is not read; write one doc.to_json() a line to {file.stem}.jsonl, or "
                "tokens and their tags as columns."
            )
        if task.kind == "text":
            text = self._readings[file] = understand_labelled(
                file, columns=self.columns, scale=self.scale, others=partial(self._labels_beside, file)
            )
            return text.examples
        if file.suffix.lower() == ".xlsx":
            raise DataError(f"{file}: a spreadsheet of tagged words is not read; save its sheet as CSV.")
        understand = understand_records if holds_records(file) else understand_tagged
        wanted = getattr(task, "tags_of_what", None)
        found = understand(file, task.check_label, wanted=wanted, columns=self.columns, scheme=self.scheme)
        self._readings[file] = found
        return found.examples

    def _labels_beside(self, file: Path) -> set[str]:
        """The labels of all other files of the language: what numbers are is decided once for it."""
        found = set[str]()
        for other in data_files(language_folder(file)):
            if other != file:
                if other not in self._labels:
                    self._labels[other] = labels_of(other, self.columns)
                found |= self._labels[other]
        return found

    def readings(self) -> Mapping[Path, Reading]:
        return self._readings

    def tag_scheme(self, language: str) -> str | None:
        folder = self.find(language)
        found = (reading.scheme for file, reading in self._readings.items() if file.is_relative_to(folder))
        return next((scheme.title for scheme in found if scheme not in (None, BIO)), None)

    def notes(self) -> list[str]:
        changed: dict[tuple[str, str], list[int]] = {}
        notes = []
        for file, reading in self._readings.items():
            folder = language_folder(file)
            if reading.changed and reading.scheme is not None:
                changed.setdefault((folder.name, reading.scheme.title), []).append(reading.changed)
            notes += [f"{file.relative_to(folder.parent)}: {note}." for note in reading.notes]
            notes += self._read_otherwise(file, folder)
        converted = (
            f"{language}: tags of scheme {scheme} are read as BIO; {sum(counts):,} changed in {_files(len(counts))}."
            for (language, scheme), counts in changed.items()
        )
        return [*converted, *notes]

    def _read_otherwise(self, file: Path, folder: Path) -> Iterator[str]:
        """Say that a file's columns were taken otherwise than those of the first file of the language."""
        first = next(other for other in self._readings if language_folder(other) == folder)
        columns, before = self._readings[file].columns, self._readings[first].columns
        if len(columns) == len(before) and _places(columns) != _places(before):
            yield (f"{file.relative_to(folder.parent)} is read as {','.join(columns)}, but {first.name} as "
                   f"{','.join(before)}; one way for both: --data-opt columns=...")  # fmt: skip

    def _random_split(self, examples: list[Example], split: str) -> list[Example]:
        examples = list({content(example): example for example in reversed(examples)}.values())[::-1]
        order = random.Random(self.data_seed).sample(range(len(examples)), len(examples))
        ends = [round(share * len(order)) for share in (SPLIT_SHARES[0], sum(SPLIT_SHARES))]
        shares = dict(zip(SPLITS, (order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] :]), strict=True))
        return [examples[index] for index in shares[split]]


def _places(columns: Sequence[str]) -> dict[str, int]:
    """Where the columns that are read stand; nothing for the fields of records."""
    return {role: number for number, role in enumerate(columns) if role in ("word", "tag", "text", "second", "label")}


def _files(count: int) -> str:
    return f"{count} file{'s' if count > 1 else ''}"


def _aliases(folder: Path) -> set[str]:
    """Return other names for a language folder: the code before an underscore, or names and codes of a UD treebank."""
    aliases = set()
    name = folder.name.lower()
    if match := re.match(r"^([a-z]{2,3})_", name):
        aliases.add(match.group(1))
    if match := re.match(r"^ud_([a-z_]+)-", name):
        aliases |= {match.group(1), match.group(1).replace("_", " ")}
        aliases |= {file.name.split("_")[0] for file in folder.glob("*-ud-*.conllu")}
    aliases.discard("ud")
    return aliases
