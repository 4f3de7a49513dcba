"""Read files of labelled texts in several formats, detected from the content.

Tables (TSV, CSV, spreadsheets) with a header or without, records (JSON, parquet, Arrow), fastText's lines, and files
with one text per line and the class in their name (`product_pos.txt`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.label_names import FILES, label_names
from xltransfer.data.readers.lines import csv_rows, empty_file_error, numbered_lines, report_memory_error
from xltransfer.data.readers.records import JSON_SUFFIXES, TABLE_SUFFIXES
from xltransfer.data.readers.spreadsheet import spreadsheet_rows
from xltransfer.data.readers.text_columns import (
    ADVICE,
    LABEL_NAMES,
    TEXT_NAMES,
    TextColumns,
    found_columns,
    named_columns,
    told_columns,
)
from xltransfer.data.readers.text_records import Row, record_rows
from xltransfer.data.readers.understood import Reading
from xltransfer.errors import DataError
from xltransfer.utils.files import UNWRITABLE

Scale = Literal["stars", "polarity", "binary", "name"]
_SCALES = {"stars": "stars", "rating": "stars", "star_rating": "stars", "polarity": "polarity"}
_CLASS_WORDS = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
                "neu": "neutral", "neutral": "neutral"}  # fmt: skip
_SEPARATOR_LINE = re.compile(r"^\W*$|^_+$")
_FASTTEXT = "__label__"
_ID = re.compile(r"[0-9]{1,4}")

Fields = tuple[str, Sequence[Any]]
"""Place of a row in the file, and its fields."""


def read_labelled(path: Path) -> list[LabelledText]:
    """Read all texts of a file, as `understand_labelled` without its findings. Raises DataError."""
    return [one for one in understand_labelled(path).examples if isinstance(one, LabelledText)]


def understand_labelled(path: Path, *, columns: Sequence[str] = (), scale: Scale | None = None) -> Reading:
    """Read all texts of a file, in order.

    Args:
        path: The file.
        columns: Roles of the columns, or names of the fields, if they are not to be found from the content.
        scale: The labels' scale, likewise: stars, a polarity, 0 and 1, or names of classes.

    Raises:
        DataError: With file and line number.
    """
    with report_memory_error(path):
        if path.suffix.lower() == ".xlsx" or (path.is_file() and path.suffix.lower() not in TABLE_SUFFIXES
                                              and zipfile.is_zipfile(path)):  # fmt: skip
            return _table(path, "spreadsheet", list(spreadsheet_rows(path)), columns, scale)
        if path.suffix.lower() in TABLE_SUFFIXES:
            return _records(path, columns, scale)
        first = next((line.strip() for _, line in numbered_lines(path) if line.strip()), None)
        if first is None:
            raise empty_file_error(path)
        label = label_from_filename(path)
        if path.suffix.lower() in JSON_SUFFIXES or (first[0] in "{[" and label is None):
            return _records(path, columns, scale)
        if first.startswith(_FASTTEXT):
            return _reading(path, "fastText", "", list(_fasttext(path)), scale)
        for delimiter, name in (("\t", "TSV"), (",", "CSV"), (";", "CSV")):
            if named_columns(first.split(delimiter)) or (columns and first.count(delimiter) + 1 == len(columns)):
                return _table(path, name, list(_csv_rows(path, delimiter)), columns, scale)
        if label:
            return Reading(_lines_of_class(path, label), "one text a line, the class in the file's name")
        if found := _without_names(path, scale):
            return found
    raise DataError(
        f"{path}: not a file of labelled texts. Expected a header with a text column ({', '.join(TEXT_NAMES[:5])}, ...)"
        f" and a label column ({', '.join(LABEL_NAMES[:6])}, ...), JSON objects with such keys, lines of __label__X "
        f"and a text, or pos or neg in the file name. {ADVICE}"
    )


def label_from_filename(path: Path) -> str | None:
    """Return the class in a file's name (`product_pos.txt`: positive), or None."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    found = {_CLASS_WORDS[word] for word in words if word in _CLASS_WORDS}
    return found.pop() if len(found) == 1 else None


def _lines_of_class(path: Path, label: str) -> list[LabelledText]:
    texts = [
        LabelledText(f"{path.name}:{number}", " ".join(line.split()), label)
        for number, line in numbered_lines(path)
        if not _SEPARATOR_LINE.match(line)
    ]
    if not texts:
        raise DataError(f"{path}: no text in the file, only separators.")
    return texts


def _fasttext(path: Path) -> Iterator[Row]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        words = line.split()
        labels = [word for word in words if word.startswith(_FASTTEXT)]
        if len(labels) != 1:
            raise DataError(
                f"{path}:{number}: {len(labels)} labels, {' '.join(labels)[:60]!r}; one __label__X a text is needed."
            )
        yield str(number), " ".join(word for word in words if word != labels[0]), None, labels[0][len(_FASTTEXT) :]


def _records(path: Path, columns: Sequence[str], scale: Scale | None) -> Reading:
    name, column, rows, rejected = record_rows(path, columns)
    notes = [f"{rejected} records that the annotator did not accept are left out"] if rejected else []
    return _reading(path, name, column, rows, scale, notes=notes)


def _without_names(path: Path, scale: Scale | None) -> Reading | None:
    """Read a table whose first line names no columns, if its content tells them."""
    for delimiter, name in (("\t", "TSV"), (",", "CSV"), (";", "CSV")):
        try:
            rows = list(_csv_rows(path, delimiter))
        except DataError:  # quotation marks that are not CSV's
            continue
        if rows and (found := found_columns(path, [fields for _, fields in rows])):
            return _from_columns(path, name, rows, found, scale)
    return None


def _table(path: Path, name: str, rows: list[Fields], told: Sequence[str], scale: Scale | None) -> Reading:
    first = [str(value) for value in rows[0][1]] if rows else []
    found = told_columns(path, told, first) if told else named_columns(first)
    if found is None:
        found = found_columns(path, [[str(value) for value in fields] for _, fields in rows]) if len(rows) > 1 else None
    if found is None:
        raise DataError(
            f"{path}:{rows[0][0] if rows else 1}: no text column and label column in {first!r:.200}; allowed: "
            f"{', '.join(TEXT_NAMES)}; and {', '.join(LABEL_NAMES)}. {ADVICE}"
        )
    return _from_columns(path, name, rows, found, scale)


def _from_columns(path: Path, name: str, rows: list[Fields], found: TextColumns, scale: Scale | None) -> Reading:
    width = len(rows[0][1])
    content: list[Row] = []
    for where, fields in rows[int(found.header) :]:
        if len(fields) != width:
            raise DataError(f"{path}:{where}: {len(fields)} columns, where the header has {width}.")
        second = None if found.second is None else fields[found.second]
        content.append((where, fields[found.text], second, fields[found.label]))
    notes = [found.note] if found.note else []
    title = f"{name} {'with' if found.header else 'without'} a header"
    return _reading(path, title, found.label_name, content, scale, found.names(width), notes)


def _reading(
    path: Path, format: str, column: str, rows: Sequence[Row], scale: Scale | None, columns: tuple[str, ...] = (),
    notes: Sequence[str] = (),
) -> Reading:  # fmt: skip
    """Check and clean the rows, and find the labels' scale."""
    if not rows:
        raise DataError(f"{path}: no text in the file, only a header.")
    cleaned = [_clean(path, row) for row in rows]
    labels = {label for *_, label in cleaned}
    known = scale or _SCALES.get(column.lower())
    found = list(notes)
    names = label_names(path.parent) if known is None and all(map(_ID.fullmatch, labels)) else None
    if names:
        cleaned = [(where, text, second, _named(path, where, label, names)) for where, text, second, label in cleaned]
    elif known is None and (guess := _guess(labels)):
        known, note = guess
        found.append(note)
    examples = [
        LabelledText(f"{path.name}:{where}", text, label, known or "name", second)
        for where, text, second, label in cleaned
    ]
    return Reading(examples, format, columns, notes=tuple(found))


def _named(path: Path, where: str, label: str, names: Sequence[str]) -> str:
    if int(label) >= len(names):
        raise DataError(f"{path}:{where}: label {label} has no name; names beside the file: {', '.join(names)[:160]}.")
    return names[int(label)]


def _guess(labels: Iterable[str]) -> tuple[Scale, str] | None:
    """The scale of numbers in a column that does not say what they are, and a note that says so; None for classes."""
    values = {label.removeprefix("+") for label in labels}
    if values <= {"0", "1"}:
        return (
            "binary",
            "labels 0 and 1: task sentiment takes them for negative and positive; otherwise: --data-opt scale=name",
        )
    if values <= {"-2", "-1", "0", "1", "2"} and values & {"-1", "-2"}:
        return "polarity", "labels with a sign are read as a polarity; otherwise: --data-opt scale=name"
    if all(map(_ID.fullmatch, values)):
        return "name", (
            f"labels {', '.join(sorted(values)[:5])} are read as classes; otherwise: --data-opt scale=stars or "
            f"scale=polarity, or their names in {FILES[0]} beside the file"
        )
    return None


def _csv_rows(path: Path, delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a CSV or TSV file with the line where each begins."""
    # a carriage return inside a text is white space, but the csv module would end the line there
    lines = ((number, line.replace("\r", " ")) for number, line in numbered_lines(path))
    # quotation marks are part of the text in tab-separated corpora
    for number, fields in csv_rows(path, lines, delimiter, quoted=delimiter != "\t"):
        if any(field.strip() for field in fields):
            yield str(number), fields


def _clean(path: Path, row: Row) -> tuple[str, str, str | None, str]:
    """Check and clean texts and label. Raises DataError."""
    where, text, second, label = row
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    cells = [_cell(path, where, what, value) for what, value in (("text", text), ("label", label))]
    return where, cells[0], None if second is None else _cell(path, where, "second text", second), cells[1]


def _cell(path: Path, where: str, what: str, value: Any) -> str:
    if value is None or isinstance(value, list | Mapping):
        raise DataError(
            f"{path}:{where}: the {what} is of type {type(value).__name__}; a string or a number is needed."
        )
    cleaned = " ".join(str(value).split())
    if not cleaned:
        raise DataError(f"{path}:{where}: the {what} is empty.")
    if UNWRITABLE.search(cleaned):
        raise DataError(f"{path}:{where}: the {what} holds NUL or half of a surrogate pair: {cleaned[:60]!a}.")
    return cleaned
