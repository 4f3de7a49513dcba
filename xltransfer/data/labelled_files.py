"""Readers for files of labelled texts; the format is found from the content.

TSV and CSV with a header, JSON (an array, or one object a line), spreadsheets, and one text a line in a file whose
name says the class (`product_pos.txt`).
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.examples import LabelledText
from xltransfer.data.tagged_files import read_lines
from xltransfer.errors import DataError

TEXT_COLUMNS = ("text", "review_body", "review", "sentence", "content", "comment", "tweet")
LABEL_COLUMNS = ("stars", "rating", "star_rating", "polarity", "label", "sentiment", "class")
_SCALES = {"stars": "stars", "rating": "stars", "star_rating": "stars", "polarity": "polarity"}
_CLASS_WORDS = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
                "neu": "neutral", "neutral": "neutral"}  # fmt: skip
_SEPARATOR_LINE = re.compile(r"^\W*$|^_+$")

Row = tuple[str, str, str]
"""Where it stands, the text, the raw label."""


def read_labelled(path: Path) -> list[LabelledText]:
    """All texts of a file, in order. Raises DataError with file and line number."""
    if zipfile.is_zipfile(path):
        return _examples(path, *_from_table(path, _spreadsheet_rows(path)))
    lines = read_lines(path)
    first = next(line for line in lines if line.strip()).strip()
    if first[0] in "{[":
        return _examples(path, *_from_json(path, lines))
    if delimiter := _header_delimiter(first):
        reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, strict=True)
        if delimiter == "\t":  # quotation marks are part of the text in tab-separated corpora
            reader = csv.reader(iter(lines), delimiter="\t", quoting=csv.QUOTE_NONE)
        return _examples(path, *_from_table(path, _csv_rows(path, reader)))
    if label := class_of_name(path):
        return [
            LabelledText(f"{path.name}:{number}", line.strip(), label)
            for number, line in enumerate(lines, 1)
            if not _SEPARATOR_LINE.match(line)
        ]
    raise DataError(
        f"{path}: not a file of labelled texts. Expected a header with a text column ({', '.join(TEXT_COLUMNS)}) and "
        f"a label column ({', '.join(LABEL_COLUMNS)}), JSON objects with such keys, or a name that holds pos or neg."
    )


def class_of_name(path: Path) -> str | None:
    """The class a file's name states (`product_pos.txt`: positive), or None."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    found = {_CLASS_WORDS[word] for word in words if word in _CLASS_WORDS}
    return found.pop() if len(found) == 1 else None


def _examples(path: Path, column: str, rows: Sequence[Row]) -> list[LabelledText]:
    if not rows:
        raise DataError(f"{path}: no text in the file, only a header.")
    scale = _scale(column, {label for _, _, label in rows})
    return [LabelledText(f"{path.name}:{where}", text, label, scale) for where, text, label in rows]


def _scale(column: str, labels: Iterable[str]) -> str:
    if column in _SCALES:
        return _SCALES[column]
    values = set(labels)
    if values <= {"0", "1"}:
        return "binary"
    if values <= {"-2", "-1", "0", "1", "2"}:
        return "polarity"
    return "stars" if values <= {"1", "2", "3", "4", "5"} else "name"


def _header_delimiter(first: str) -> str | None:
    for delimiter in "\t,;":
        names = {name.strip().strip('"').lower() for name in first.split(delimiter)}
        if names & set(TEXT_COLUMNS) and names & set(LABEL_COLUMNS):
            return delimiter
    return None


def _csv_rows(path: Path, reader: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    try:
        for fields in reader:
            if fields:
                yield str(reader.line_num), fields
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}.") from error


def _spreadsheet_rows(path: Path) -> Iterator[tuple[str, Sequence[Any]]]:
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path}: reading a spreadsheet needs openpyxl; run: pip install 'xltransfer[xlsx]'."
        ) from error
    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises KeyError, BadZipFile, ValueError and its own on a damaged file
        raise DataError(f"{path}: not a readable spreadsheet: {type(error).__name__}: {error}.") from error
    sheet = workbook.worksheets[0]
    for number, fields in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(field is not None for field in fields):
            yield str(number), ["" if field is None else field for field in fields]
    workbook.close()


def _from_table(path: Path, rows: Iterator[tuple[str, Sequence[Any]]]) -> tuple[str, list[Row]]:
    _, first = next(rows)
    header = [str(name).strip().lower() for name in first]
    text, label = _column(path, header, TEXT_COLUMNS, "text"), _column(path, header, LABEL_COLUMNS, "label")
    found = []
    for where, fields in rows:
        if len(fields) != len(header):
            raise DataError(f"{path}:{where}: {len(fields)} columns, where the header has {len(header)}.")
        found.append(_row(path, where, fields[text], fields[label]))
    return header[label], found


def _from_json(path: Path, lines: list[str]) -> tuple[str, list[Row]]:
    objects: Iterable[tuple[str, Any]] = _json_objects(path, lines)
    found, column = [], ""
    for where, value in objects:
        if not isinstance(value, Mapping):
            raise DataError(
                f"{path}:{where}: received {type(value).__name__}; an object with a text and a label is needed."
            )
        names = list(value)
        text_name = names[_column(path, names, TEXT_COLUMNS, "text", where)]
        column = names[_column(path, names, LABEL_COLUMNS, "label", where)]
        found.append(_row(path, where, value[text_name], value[column]))
    return column, found


def _json_objects(path: Path, lines: list[str]) -> Iterator[tuple[str, Any]]:
    if next(line for line in lines if line.strip()).lstrip()[0] == "[":
        try:
            values = json.loads("\n".join(lines))
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}.") from error
        yield from ((f"item {number}", value) for number, value in enumerate(values, 1))
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield str(number), json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}:{number}: not a JSON object on one line: {error.msg}.") from error


def _column(path: Path, header: Sequence[str], names: Sequence[str], what: str, where: str = "1") -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise DataError(f"{path}:{where}: no {what} column in {list(header)}; allowed: {', '.join(names)}.")


def _row(path: Path, where: str, text: Any, label: Any) -> Row:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    cleaned = " ".join(str(text).split())
    if not cleaned:
        raise DataError(f"{path}:{where}: the text is empty.")
    return where, cleaned, str(label).strip()
