"""Read the records of JSON, parquet and Arrow files: mappings of field names to values."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xltransfer.data.readers.lines import numbered_lines, read_lines
from xltransfer.errors import DataError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = (".parquet", ".arrow")
MAX_ARRAY_BYTES = 64 * 2**20
"""A JSON array is parsed as a whole, in about ten times its size of memory. JSON lines have no limit."""
_WRAPPERS = ("data", "annotations", "examples", "sentences")
"""Keys of an object whose list holds the records."""


@dataclass(frozen=True)
class Records:
    """The records of a file, each with its place (a line's number, `item 3`, or a row's number), and class names."""

    format: str
    found: Iterator[tuple[str, Any]]
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of class ids by field, where the file stores them."""


def holds_records(path: Path) -> bool:
    """Whether a file is one of records, by its suffix, or by its first line, which is a JSON object."""
    if path.suffix.lower() in (*JSON_SUFFIXES, *TABLE_SUFFIXES):
        return True
    first = next((line.strip() for _, line in numbered_lines(path) if line.strip()), "")
    return first.startswith("{") and _is_json(first)


def read_records(path: Path) -> Records:
    """Open a file of records. Raises DataError, also while they are read."""
    if path.suffix.lower() in TABLE_SUFFIXES:
        return _read_table(path)
    lines = (line.strip() for _, line in numbered_lines(path) if line.strip())
    first = next(lines, "")
    if not first:
        raise DataError(f"{path}: the file is empty.")
    if first.startswith("[") or not _is_json(first) or (path.suffix.lower() == ".json" and not next(lines, "")):
        return Records("JSON", _items(path))
    return Records("JSON lines", _objects(path))


def parse_json(path: Path, number: int, text: str) -> Any:
    """Parse JSON that starts at line `number`. Raises DataError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{number + error.lineno - 1}: not JSON: {error.msg}; give an array, or one object a line."
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of nested brackets
        raise DataError(f"{path}:{number}: JSON that cannot be read: {error}.") from error


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _items(path: Path) -> Iterator[tuple[str, Any]]:
    """Items of an array, or of the one list in an object."""
    if (size := path.stat().st_size) > MAX_ARRAY_BYTES:
        raise DataError(
            f"{path}: a JSON array of {size / 2**20:.0f} MiB; at most {MAX_ARRAY_BYTES // 2**20} MiB are read whole. "
            f"Write one object a line: jq -c '.[]' {path.name} > new.jsonl."
        )
    value = parse_json(path, 1, "\n".join(read_lines(path)))
    if isinstance(value, dict):
        value = _table_of_pandas(value)
    if isinstance(value, dict):
        lists = [value[name] for name in _WRAPPERS if isinstance(value.get(name), list)]
        is_record = "text" in value or isinstance(value.get("data"), dict)
        value = lists[0] if len(lists) == 1 and not is_record else _rows_of(value)
    if not isinstance(value, list):
        raise DataError(f"{path}: holds a {type(value).__name__}; an array of objects is needed, or one object a line.")
    yield from ((f"item {number}", item) for number, item in enumerate(value, 1))


def _table_of_pandas(value: dict[str, Any]) -> Any:
    """Rows of a table as pandas (values by row, or its parts) or the hub's viewer writes it; else the object."""
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, columns), row, strict=False)) for row in data]
    if isinstance(rows := value.get("rows"), list) and all(isinstance(row, dict) and "row" in row for row in rows):
        return [row["row"] for row in rows]
    keys = [list(column) for column in value.values() if isinstance(column, dict)]
    if len(keys) == len(value) > 1 and keys[0] and all(one == keys[0] for one in keys):
        return [{name: column[key] for name, column in value.items()} for key in keys[0]]
    return value


def _rows_of(value: dict[str, Any]) -> list[Any]:
    """Rows of an object that holds a list for each column; else the object as the only row."""
    columns = [column for column in value.values() if isinstance(column, list)]
    if len(columns) < 2 or len(columns) < len(value) or len(set(map(len, columns))) > 1:
        return [value]
    if not all(isinstance(column[0], list) for column in columns[:2] if column):
        return [value]
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def _objects(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in numbered_lines(path):
        if line.strip():
            yield str(number), parse_json(path, number, line)


def _read_table(path: Path) -> Records:
    import datasets
    from pyarrow import parquet

    kind = path.suffix.lower().removeprefix(".")
    with quiet_datasets():
        try:
            if kind == "arrow":
                table = datasets.Dataset.from_file(str(path))
            else:  # Dataset.from_parquet would write a copy to its cache
                table = datasets.Dataset(parquet.read_table(path))
        except Exception as error:  # pyarrow and datasets raise many kinds on damaged files
            cause = " ".join(str(error.__cause__ or error).split())[:200]
            raise DataError(f"{path}: cannot be read as {kind}: {cause}.") from error
    names = {name: found for name, feature in table.features.items() if (found := class_names(feature))}
    return Records(kind, ((str(number), row) for number, row in enumerate(table, 1)), names)


def class_names(feature: Any) -> tuple[str, ...]:
    """Return the names of class ids that a feature of `datasets` holds, if any."""
    feature = getattr(feature, "feature", feature)
    return tuple(getattr(feature, "names", None) or ())


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Context in which `datasets` shows no bars and messages; its exceptions contain what it logs."""
    import datasets

    bars, level = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
