"""Find a language's data files, and the split of each."""

from __future__ import annotations

import re
from pathlib import Path

from xltransfer.data.readers.label_names import FILES

SUFFIXES = {"", ".txt", ".tsv", ".csv", ".conll", ".conllu", ".conllup", ".conll03", ".bio", ".iob", ".iob1", ".iob2",
            ".bioes", ".iobes", ".bilou", ".bmes", ".json", ".jsonl", ".ndjson", ".xlsx", ".parquet", ".arrow",
            ".spacy"}  # fmt: skip
"""The endings of data files; a split's word, as in `eng.testa`, is one too."""
_SPLIT_WORDS = {"train": "train", "training": "train", "dev": "dev", "devel": "dev", "development": "dev", "val": "dev",
                "valid": "dev", "validation": "dev", "testa": "dev", "test": "test", "testb": "test"}  # fmt: skip
_NOT_DATA = re.compile(
    r"^(readme|licen[cs]e|manifest|data_index)|^(dataset_infos?|dataset_dict|state)\.json$|^\.", re.IGNORECASE
)
_SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}\b|^[0-9]{4,5}\.")
"""A part of a split, as the Hugging Face Hub and `datasets` name them."""


def data_files(folder: Path) -> list[Path]:
    """List the data files in a language's folder, and in folders of it that are named like a split."""
    places = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir() and is_split_folder(path))]
    return sorted(file for place in places for file in place.iterdir() if file.is_file() and _is_data(file))


def is_split_folder(folder: Path) -> bool:
    """Whether a folder is named like a split, and so is a part of a language's folder."""
    return folder.name.lower() in _SPLIT_WORDS


def language_folder(file: Path) -> Path:
    """The folder of the language that a data file is of."""
    return file.parent.parent if is_split_folder(file.parent) else file.parent


def split_of(file: Path) -> str | None:
    """Return the split that a file's name says, or else its folder's name: train, dev or test."""
    words = re.split(r"[^a-z]+", file.name.lower())
    found = next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)
    return found or _SPLIT_WORDS.get(file.parent.name.lower())


def are_shards(files: list[Path]) -> bool:
    """Whether several files are the parts of one split, in their order."""
    return all(_SHARD.search(file.name) for file in files) and len({file.suffix for file in files}) == 1


def _is_data(file: Path) -> bool:
    if _NOT_DATA.match(file.name) or file.name in FILES:
        return False
    return file.suffix.lower() in SUFFIXES or file.suffix.lower().removeprefix(".") in _SPLIT_WORDS
