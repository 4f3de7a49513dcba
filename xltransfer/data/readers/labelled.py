"""Read files of labelled texts in several formats, detected from the content.

Tables (TSV, CSV, spreadsheets) with a header or without, records (JSON, parquet, Arrow), fastText's lines, and files
with one text per line and the class in their name (`product_pos.txt`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.lines import csv_rows, empty_file_error, numbered_lines, report_memory_error, visible
from xltransfer.data.readers.records import JSON_SUFFIXES, TABLE_SUFFIXES
from xltransfer.data.readers.spreadsheet import spreadsheet_rows
from xltransfer.data.readers.texts.columns import (
    ADVICE,
    LABEL_NAMES,
    TEXT_NAMES,
    TextColumns,
    found_columns,
    named_columns,
    told_columns,
    with_unknown,
)
from xltransfer.data.readers.texts.labels import Scale, interpreted, labels_in
from xltransfer.data.readers.texts.records import record_rows
from xltransfer.data.readers.understood import Content, Reading, Row
from xltransfer.data.readers.words.rows import in_quotes, quoted_where_needed
from xltransfer.errors import DataError
from xltransfer.utils.files import UNWRITABLE

_CLASS_WORDS = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
                "neu": "neutral", "neutral": "neutral"}  # fmt: skip
_SEPARATOR_LINE = re.compile(r"\s*(([_=#~-])\2{2,}|([*+])\3{5,})\s*")
"""A line between texts, as in `____`; emoji, punctuation, and *** or +++ of a rating are texts."""
_DECIMAL = re.compile("(?<=[0-9]),(?=[0-9])")
_FASTTEXT = "__label__"
_TABLES = (".tsv", ".csv")

Fields = tuple[str, Sequence[Any]]
"""Place of a row in the file, and its fields."""


def read_labelled(path: Path) -> list[LabelledText]:
    """Read all texts of a file, as `understand_labelled` without its findings. Raises DataError."""
    return [one for one in understand_labelled(path).examples if isinstance(one, LabelledText)]


def understand_labelled(
    path: Path, *, columns: Sequence[str] = (), scale: Scale | None = None, others: Callable[[], set[str]] = set
) -> Reading:
    """Read all texts of a file, in order.

    Args:
        path: The file.
        columns: Roles of the columns, or names of the fields, if they are not to be found from the content.
        scale: The labels' scale, likewise: stars, a polarity, 0 and 1, or names of classes.
        others: Gives the labels of the language's other files, which count where the scale of numbers is found.

    Raises:
        DataError: With file and line number.
    """
    with report_memory_error(path):
        return interpreted(path, _cleaned(path, columns), scale, others)


def labels_of(path: Path, columns: Sequence[str]) -> set[str]:
    """The labels of a file as they stand; none if it cannot be read, which is told when it is read for itself."""
    with suppress(DataError):
        return labels_in(_cleaned(path, columns))
    return set()


def _content(path: Path, columns: Sequence[str]) -> Content:
    """Find the rows of a file. Raises DataError."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx" or (path.is_file() and suffix not in TABLE_SUFFIXES and zipfile.is_zipfile(path)):
        return _table(path, "spreadsheet", list(spreadsheet_rows(path)), columns)
    if suffix in TABLE_SUFFIXES:
        return record_rows(path, columns)
    first = next((line.strip() for _, line in numbered_lines(path) if line.strip()), None)
    if first is None:
        raise empty_file_error(path)
    label = label_from_filename(path)
    if suffix in JSON_SUFFIXES or (first[0] in "{[" and label is None):
        return record_rows(path, columns)
    if any(word.startswith(_FASTTEXT) for word in (first.split()[0], first.split()[-1])):
        return Content("fastText", list(_fasttext(path)))
    for delimiter, name in (("\t", "TSV"), (",", "CSV"), (";", "CSV")):
        if named_columns(first.split(delimiter)) or (columns and first.count(delimiter) + 1 == len(columns)):
            return _table(path, name, list(_csv_rows(path, delimiter)), columns)
    if (not label or suffix in _TABLES) and (found := _without_names(path)):
        return found
    if label:
        return _table_of_class(path, label) or _lines_of_class(path, label)
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


def _table_of_class(path: Path, label: str) -> Content | None:
    """Read a table with a column of texts, by its name, and none of labels: the class is in the file's name."""
    for delimiter, name in (("\t", "TSV"), (",", "CSV"), (";", "CSV")):
        first = next((line for _, line in numbered_lines(path) if line.strip()), "")
        names = [cell.strip().strip('"').lower() for cell in first.split(delimiter)]
        found = next((one for one in TEXT_NAMES if one in names), None)
        if found is None or not (names[1:] or path.suffix.lower() in _TABLES):
            continue
        rows: list[Fields] = [(where, [*fields, label]) for where, fields in _csv_rows(path, delimiter)]
        title = f"{name} with a header, the class in the file's name"
        return replace(_from_columns(path, name, rows, TextColumns(names.index(found), len(names), header=True)),
                       format=title)  # fmt: skip
    return None


def _lines_of_class(path: Path, label: str) -> Content:
    lines = [(str(number), line) for number, line in numbered_lines(path) if line.strip()]
    texts = [(number, line, None, label) for number, line in lines if not _SEPARATOR_LINE.fullmatch(line)]
    if not texts:
        raise DataError(f"{path}: no text in the file, only separators.")
    left_out = len(lines) - len(texts)
    notes = (f"lines that separate texts, as in ____, left out: {left_out}",) if left_out else ()
    return Content("one text a line, the class in the file's name", texts, notes=notes)


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


def _without_names(path: Path) -> Content | None:
    """Read a table whose first line names no columns, if its content tells them."""
    for delimiter, name in (("\t", "TSV"), (",", "CSV"), (";", "CSV")):
        try:
            rows = list(_csv_rows(path, delimiter))
        except DataError:  # quotation marks that are not CSV's
            continue
        if rows and (found := found_columns(path, [fields for _, fields in rows])):
            return _from_columns(path, name, rows, found)
    return None


def _table(path: Path, name: str, rows: list[Fields], told: Sequence[str]) -> Content:
    cells = [[str(value) for value in fields] for _, fields in rows]
    first = cells[0] if cells else []
    found = told_columns(path, told, cells) if told else with_unknown(named_columns(first), cells)
    if found is None:
        found = found_columns(path, cells) if len(rows) > 1 else None
    if found is None:
        raise DataError(
            f"{path}:{rows[0][0] if rows else 1}: no text column and label column in {first!r:.200}; allowed: "
            f"{', '.join(TEXT_NAMES)}; and {', '.join(LABEL_NAMES)}. {ADVICE}"
        )
    return _from_columns(path, name, rows, found)


def _from_columns(path: Path, name: str, rows: list[Fields], found: TextColumns) -> Content:
    width = len(rows[0][1])
    content: list[Row] = []
    labels = {str(fields[found.label]).strip() for _, fields in rows if len(fields) == width}
    head, again = list(rows[0][1]) if found.header else None, 0
    for where, fields in rows[int(found.header) :]:
        if list(fields) == head:
            again += 1
            continue
        if len(fields) != width:
            raise DataError(f"{path}:{where}: {len(fields)} columns, where the header has {width}.")
        second = None if found.second is None else fields[found.second]
        _check_lines(path, where, fields, found.label, labels)
        content.append((where, fields[found.text], second, fields[found.label]))
    title = f"{name} {'with' if found.header else 'without'} a header"
    notes = (found.note,) if found.note else ()
    if again:
        notes = (*notes, f"lines with the names of the columns again, left out: {again}")
    return Content(title, content, found.label_name, found.names(width), notes)


def _check_lines(path: Path, where: str, fields: Sequence[Any], label: int, labels: set[str]) -> None:
    """Raise DataError for a cell whose lines are rows themselves, by their labels: a quotation mark is not closed."""
    place = 0 if label == 0 else -1 if label == len(fields) - 1 else label
    for lines in (value.split("\n") for value in fields if isinstance(value, str) and "\n" in value):
        whole = lines[1:] if place == 0 else lines[:-1]
        for delimiter in ",;":
            rows = [_DECIMAL.sub(".", line).split(delimiter) for line in whole]
            labelled = any(cells[place].strip('"') in labels for cells in rows if len(cells) >= len(fields))
            if labelled and all(len(cells) >= len(fields) for cells in rows):
                raise DataError(f"{path}:{where}: a cell of {len(lines)} lines holds a row, {whole[0][:60]!r}; close "
                                "its quotation marks, and double those inside.")  # fmt: skip


def _csv_rows(path: Path, delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a CSV or TSV file with the line where each begins."""

    def read(quoted: bool) -> list[tuple[int, list[str]]]:
        # a carriage return inside a text is white space, but the csv module would end the line there
        lines = ((number, line.replace("\r", " ")) for number, line in numbered_lines(path))
        return list(csv_rows(path, lines, delimiter, quoted=quoted))

    # quotation marks are part of the text in tab-separated corpora, unless all cells of a column have them
    rows = read(quoted=delimiter != "\t")
    if delimiter == "\t" and _are_quoted([fields for _, fields in rows if fields]):
        with suppress(DataError):
            rows = read(quoted=True)
    return ((str(number), fields) for number, fields in rows if any(field.strip() for field in fields))


def _are_quoted(rows: Sequence[Sequence[str]]) -> bool:
    """Whether cells stand in quotation marks: those of a column, or where they hold one or a line end."""
    if in_quotes(rows) or quoted_where_needed(cell for fields in rows for cell in fields):
        return True
    return len({len(fields) for fields in rows}) > 1 and any(fields[-1].startswith('"') for fields in rows)


def _cleaned(path: Path, columns: Sequence[str]) -> Content:
    """The rows of a file, checked and cleaned. Raises DataError."""
    content = _content(path, columns)
    if not content.rows:
        raise DataError(f"{path}: no text in the file, only a header.")
    return replace(content, rows=[_clean(path, row) for row in content.rows])


def _clean(path: Path, row: Row) -> Row:
    """Check and clean texts and label. Raises DataError."""
    where, text, second, label = row
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    cells = [_cell(path, where, what, value) for what, value in (("text", text), ("label", label))]
    return where, cells[0], None if second is None else _cell(path, where, "second text", second), visible(cells[1])


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
