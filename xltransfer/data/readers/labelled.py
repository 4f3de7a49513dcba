"""Read files of labelled texts in several formats, detected from the content.

TSV and CSV with a header, JSON (an array, or one object per line), spreadsheets, and files with one text per line and
the class in their name (`product_pos.txt`).
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.lines import empty_file_error, numbered_lines, read_lines, report_memory_error
from xltransfer.data.readers.spreadsheet import spreadsheet_rows
from xltransfer.errors import DataError

TEXT_COLUMNS = ("text", "review_body", "review", "sentence", "content", "comment", "tweet")
LABEL_COLUMNS = ("stars", "rating", "star_rating", "polarity", "label", "sentiment", "class")
MAX_ARRAY_BYTES = 64 * 2**20
"""A JSON array is parsed as a whole, in about ten times its size of memory. JSON lines have no limit."""
_SCALES = {"stars": "stars", "rating": "stars", "star_rating": "stars", "polarity": "polarity"}
_CLASS_WORDS = {"pos": "positive", "positive": "positive", "neg": "negative", "negative": "negative",
                "neu": "neutral", "neutral": "neutral"}  # fmt: skip
_SEPARATOR_LINE = re.compile(r"^\W*$|^_+$")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that JSON can express and a text file cannot contain: NUL and lone surrogates."""
_JSON_SUFFIXES = (".json", ".jsonl")

Row = tuple[str, str, str]
"""Position in the file, text, raw label."""
Fields = tuple[str, Sequence[Any]]
"""Position of a row in the file, and its fields."""


def read_labelled(path: Path) -> list[LabelledText]:
    """Read all texts of a file, in order. Raises DataError with file and line number."""
    with report_memory_error(path):
        if path.suffix.lower() == ".xlsx" or (path.is_file() and zipfile.is_zipfile(path)):
            return _examples(path, *_from_table(path, spreadsheet_rows(path)))
        first = next((line.strip() for _, line in numbered_lines(path) if line.strip()), None)
        if first is None:
            raise empty_file_error(path)
        label = label_from_filename(path)
        if first[0] in "{[" and (label is None or path.suffix.lower() in _JSON_SUFFIXES):
            objects = _array_items(path) if first[0] == "[" else _objects_by_line(path)
            return _examples(path, *_from_objects(path, objects))
        if delimiter := _header_delimiter(first):
            return _examples(path, *_from_table(path, _csv_rows(path, delimiter)))
        if label:
            return _read_lines_of_class(path, label)
    raise DataError(
        f"{path}: not a file of labelled texts. Expected a header with a text column ({', '.join(TEXT_COLUMNS)}) and "
        f"a label column ({', '.join(LABEL_COLUMNS)}), JSON objects with such keys, or pos or neg in the file name."
    )


def label_from_filename(path: Path) -> str | None:
    """Return the class in a file's name (`product_pos.txt`: positive), or None."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    found = {_CLASS_WORDS[word] for word in words if word in _CLASS_WORDS}
    return found.pop() if len(found) == 1 else None


def _read_lines_of_class(path: Path, label: str) -> list[LabelledText]:
    texts = [
        LabelledText(f"{path.name}:{number}", " ".join(line.split()), label)
        for number, line in numbered_lines(path)
        if not _SEPARATOR_LINE.match(line)
    ]
    if not texts:
        raise DataError(f"{path}: no text in the file, only separators.")
    return texts


def _examples(path: Path, column: str, rows: Sequence[Row]) -> list[LabelledText]:
    if not rows:
        raise DataError(f"{path}: no text in the file, only a header.")
    scale = _scale(column, {label for _, _, label in rows})
    return [LabelledText(f"{path.name}:{where}", text, label, scale) for where, text, label in rows]


def _scale(column: str, labels: Iterable[str]) -> str:
    """Determine the label scale from the column name or from the set of labels."""
    if column in _SCALES:
        return _SCALES[column]
    values = {label.removeprefix("+") for label in labels}
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


def _csv_rows(path: Path, delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a CSV or TSV file with the line where each begins."""
    # a carriage return inside a text is white space, but the csv module would end the line there
    lines = (line.replace("\r", " ") + "\n" for _, line in numbered_lines(path))
    # quotation marks are part of the text in tab-separated corpora
    quoted = delimiter != "\t"
    reader = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True
    )
    first = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield str(first), fields
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{first}: {error}, in the row that begins here; close its quotation marks, and double those inside."
        ) from error


def _from_table(path: Path, rows: Iterator[Fields]) -> tuple[str, list[Row]]:
    where, first = next(rows, ("1", []))
    header = [str(name).strip().lower() for name in first]
    text = _column(path, header, TEXT_COLUMNS, "text", where)
    label = _column(path, header, LABEL_COLUMNS, "label", where)
    found = []
    for where, fields in rows:
        if len(fields) != len(header):
            raise DataError(f"{path}:{where}: {len(fields)} columns, where the header has {len(header)}.")
        found.append(_row(path, where, fields[text], fields[label]))
    return header[label], found


def _from_objects(path: Path, objects: Iterator[tuple[str, Any]]) -> tuple[str, list[Row]]:
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


def _array_items(path: Path) -> Iterator[tuple[str, Any]]:
    if (size := path.stat().st_size) > MAX_ARRAY_BYTES:
        raise DataError(
            f"{path}: a JSON array of {size / 2**20:.0f} MiB; at most {MAX_ARRAY_BYTES // 2**20} MiB are read whole. "
            f"Write one object a line: jq -c '.[]' {path.name} > new.jsonl."
        )
    values = _parse_json(path, 1, "\n".join(read_lines(path)))
    yield from ((f"item {number}", value) for number, value in enumerate(values, 1))


def _objects_by_line(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in numbered_lines(path):
        if line.strip():
            yield str(number), _parse_json(path, number, line)


def _parse_json(path: Path, number: int, text: str) -> Any:
    """Parse JSON that starts at line `number`. Raises DataError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{number + error.lineno - 1}: not JSON: {error.msg}; give an array, or one object a line."
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of nested brackets
        raise DataError(f"{path}:{number}: JSON that cannot be read: {error}.") from error


def _column(path: Path, header: Sequence[str], names: Sequence[str], what: str, where: str) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise DataError(f"{path}:{where}: no {what} column in {list(header)!r:.200}; allowed: {', '.join(names)}.")


def _row(path: Path, where: str, text: Any, label: Any) -> Row:
    """Check and clean one text and label. Raises DataError."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    cells = []
    for what, value in (("text", text), ("label", label)):
        if value is None or isinstance(value, list | Mapping):
            raise DataError(
                f"{path}:{where}: the {what} is of type {type(value).__name__}; a string or a number is needed."
            )
        cleaned = " ".join(str(value).split())
        if not cleaned:
            raise DataError(f"{path}:{where}: the {what} is empty.")
        if _UNWRITABLE.search(cleaned):
            raise DataError(f"{path}:{where}: the {what} holds NUL or half of a surrogate pair: {cleaned[:60]!a}.")
        cells.append(cleaned)
    return where, cells[0], cells[1]
