"""Find the names of label ids in a file beside the data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.readers.lines import read_lines, visible
from xltransfer.data.readers.records import parse_json
from xltransfer.errors import DataError

FILES = ("labels.txt", "label_names.txt", "label_names", "labels.json", "label_names.json")
"""Files of names, the first id's first: one a line, or a JSON list or a mapping of ids to names."""
_HEADINGS = ("label", "labels", "name", "names", "class", "classes", "tag", "tags", "id", "label_name")
_NUMBERED = (re.compile(r"(?P<id>[0-9]{1,4})[\s:,;=]+(?P<name>\S.*)"),
             re.compile(r"(?P<name>\S.*?)[\s:,;=]+(?P<id>[0-9]{1,4})"))  # fmt: skip
_INFOS = ("dataset_info.json", "dataset_infos.json")


def label_names(folder: Path) -> tuple[str, ...] | None:
    """Return the names in a file of label names, there or in the folder above, or None. Raises DataError."""
    for file in _present(folder, FILES):
        lines = read_lines(file)
        if file.suffix != ".json":
            return _distinct(file, _in_lines(file, [visible(line).strip() for line in lines if line.strip()]))
        return _distinct(file, _names(file, parse_json(file, 1, "\n".join(lines))))
    return None


def names_in_info(folder: Path, field: str) -> tuple[str, ...] | None:
    """Return the names of a field's classes in `dataset_info.json`, there or in the folder above, or None."""
    for file in _present(folder, _INFOS):
        try:
            found = _search(json.loads(file.read_text(encoding="utf-8")), field)
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{file}: cannot be read: {' '.join(str(error).split())[:160]}.") from error
        if found is not None:
            return found
    return None


def name_of(where: str, field: str, number: int, names: Sequence[str]) -> str:
    """Return the name of an id. Raises DataError if it has none."""
    if not 0 <= number < len(names):
        raise DataError(f"{where}: id {number} in {field} has no name; names: {', '.join(names)[:160]}.")
    return names[number]


def _present(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield the files of these names that there are, in a folder and then in the one above."""
    return (file for place in (folder, folder.parent) for name in names if (file := place / name).is_file())


def _in_lines(file: Path, lines: Sequence[str]) -> Sequence[str]:
    """Names in the order of their ids: the lines, or what stands beside a number in each. Raises DataError."""
    heading = all(word in _HEADINGS for word in re.split(r"[\s:,;=]+", lines[0].lower()))
    if names := _numbered(lines) or (_numbered(lines[1:]) if heading else {}):
        if sorted(names) != list(range(len(names))):
            raise DataError(f"{file}: the ids are {', '.join(map(str, sorted(names)))[:60]}; allowed: 0, 1, ...")
        return [names[number] for number in range(len(names))]
    if lines[0].lower() in _HEADINGS and len(lines) > 2:
        raise DataError(f"{file}:1: {lines[0]!r}: a heading, or the name of id 0? Take the heading out, or write "
                        "lines of an id and its name.")  # fmt: skip
    return lines


def _numbered(lines: Sequence[str]) -> dict[int, str]:
    """Names by ids, if each line is an id and a name of its own, in the same order; else nothing."""
    for pattern in _NUMBERED:
        found = [match for match in map(pattern.fullmatch, lines) if match]
        names = {int(match["id"]): match["name"] for match in found}
        if len(set(names.values())) == len(found) == len(lines):
            return names
    return {}


def _distinct(file: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names. Raises DataError if one comes twice."""
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{file}: the name {twice[:60]!r} comes twice; give each id a name of its own.")
    return tuple(names)


def _names(file: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping) and all(isinstance(name, int) for name in value.values()):
        value = {number: name for name, number in value.items()}  # label2id
    if isinstance(value, Mapping):
        ids = {str(number): name for number, name in value.items()}
        value = [ids.get(str(number)) for number in range(len(ids))]
    if not isinstance(value, Sequence) or not value or not all(isinstance(name, str) for name in value):
        raise DataError(
            f"{file}: no names of labels; allowed: a list of names, or a mapping of ids 0, 1, ... to names."
        )
    return tuple(value)


def _search(value: Any, field: str) -> tuple[str, ...] | None:
    """Names below a key `field`, at any depth."""
    if not isinstance(value, Mapping):
        return None
    if isinstance(found := value.get(field), Mapping):
        for part in (found, found.get("feature")):
            if isinstance(part, Mapping) and isinstance(part.get("names"), list):
                return tuple(map(str, part["names"]))
    return next((names for inner in value.values() if (names := _search(inner, field)) is not None), None)
