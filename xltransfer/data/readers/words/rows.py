"""Split a file of tagged words into rows of columns, one a word, with an empty row after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path

from xltransfer.data.readers.lines import csv_rows, empty_file_error, numbered_lines
from xltransfer.errors import DataError

_SAMPLE_LINES = 2000
_SHARE = 0.5
"""Share of the sampled lines that must have the same number of columns."""
_DELIMITERS = {"\t": "tabs", " ": "blanks", ",": "commas", ";": "semicolons"}
_BLANKS = " \t"
_GAP = re.compile(f"[{_BLANKS}]+")
"""Separates columns. Other spaces, such as U+00A0 or U+3000, may be words or parts of a word."""
_COMMENT = re.compile(r"#(?=[ \t]|[^=\s]+=|##)")
_DECIMAL = re.compile("(?<=[0-9]),(?=[0-9])")
_QUOTED = re.compile(r'"([^"]|"")*"')
"""A cell in quotation marks."""
_ESCAPED = re.compile(r'\\"(?![ \t]|$)')
_METADATA = re.compile(r"#\s*(newdoc|newpar|sent_id|text|global\.columns)\b")
DOCUMENT = "-DOCSTART-"
FOUR = '""""'
"""A quotation mark as pandas writes it."""

Row = tuple[int, list[str]]
"""Line number and columns; no columns between sentences."""


@dataclass(frozen=True)
class Dialect:
    """What separates the columns of a file (a blank stands for any number of blanks), and how many there are."""

    delimiter: str
    width: int
    quoted: bool = False
    """Whether cells between tabs or blanks stand in quotation marks, as R and pandas write them."""
    escaped: bool = False
    """Whether quotation marks within them follow a backslash, as in R; else they are doubled."""

    @property
    def name(self) -> str:
        """As in `3 columns separated by tabs`."""
        return f"{self.width} columns separated by {_DELIMITERS[self.delimiter]}"


def dialects(path: Path) -> list[Dialect]:
    """Return the possible dialects, the most regular first. Raises DataError if there is none."""
    lines = (row for row in numbered_lines(path) if row[1].strip(_BLANKS) and not _is_metadata(row[1]))
    sample = list(islice(lines, _SAMPLE_LINES))
    if not sample:
        raise empty_file_error(path)
    found: list[tuple[int, Dialect]] = []
    faults = []
    marked = any('"' in line for _, line in numbered_lines(path))
    order = "\t,; " if path.suffix.lower() == ".csv" else "\t ,;"
    for delimiter in order:
        if _stands_in_cells(delimiter, sample):
            continue
        dialect = Dialect(delimiter, 0, *(_quoting(path, delimiter, sample) if marked and delimiter in _BLANKS else ()))
        try:
            split = _split(path, sample, dialect)
            widths = Counter(len(fields) for _, fields in split if fields[1:])
        except DataError as error:  # quotation marks that are not CSV's
            faults.append(error)
            continue
        for width, count in widths.most_common(1):
            if count >= _SHARE * len(sample):
                found.append((count, replace(dialect, width=width)))
    if not found:
        text = f"{path}: not a file of tagged words: its lines have one column; expected a token and a tag."
        raise faults[0] if faults and path.suffix.lower() == ".csv" else DataError(text)
    return [dialect for _, dialect in sorted(found, key=lambda one: -one[0])]


def _stands_in_cells(delimiter: str, sample: Sequence[tuple[int, str]]) -> bool:
    """Whether a delimiter is a part of cells or of another one: commas of numbers, blanks after commas."""
    lines = [line for _, line in sample]
    if delimiter == ",":
        other = next((one for one in "\t;" if all(one in line for line in lines)), None)
        return other is not None and not any("," in _DECIMAL.sub("", line) for line in lines)
    return delimiter == " " and any(all(f"{one} " in line for line in lines) for one in ",;")


def rows(path: Path, dialect: Dialect) -> Iterator[Row]:
    """Yield the rows of a file. Raises DataError with file and line for a row of another width.

    Comments of another width, which stand before a sentence, are left out; `-DOCSTART-` lines and rows of empty columns
    end a sentence. R's header has no name for the names of its rows.
    """
    first = True
    for number, fields in _split(path, _without_comments(path, dialect), dialect):
        if first and any(fields):
            first = False
            fields = ["", *fields] if dialect.quoted and len(fields) == dialect.width - 1 else fields
        if not any(fields) or DOCUMENT in fields:
            yield number, []
            continue
        if len(fields) != dialect.width:
            raise DataError(
                f"{path}:{number}: {len(fields)} columns, where this file's format ({dialect.name}) has "
                f"{dialect.width}: {shown(dialect.delimiter.join(fields))}."
            )
        yield number, fields


def may_be_comment(fields: Sequence[str]) -> bool:
    """Whether a row before a sentence, as wide as the others, may be a comment: `# text`, or `#` and a tab."""
    return fields[0] == "#" or bool(_COMMENT.match(fields[0]))


def shown(line: str) -> str:
    """The start of a line, for a message."""
    return repr(line.strip()[:60])


def line_end_error(path: Path, number: int, line: str) -> DataError:
    """The error for a carriage return or line feed within a word."""
    return DataError(f"{path}:{number}: a carriage return within the line: {shown(line)}; end lines with LF.")


def column_names(path: Path) -> list[str]:
    """Return the names in a `# global.columns` comment of CoNLL-U Plus, which is its first line."""
    first = next((line for _, line in numbered_lines(path)), "")
    found = re.match(r"#\s*global\.columns\s*=\s*(.*)", first)
    return found[1].split() if found else []


def _without_comments(path: Path, dialect: Dialect) -> Iterator[tuple[int, str]]:
    before, header = True, True
    for number, line in numbered_lines(path):
        comment = before and _COMMENT.match(line)
        if comment and (_is_metadata(line) or _width(line, dialect) != dialect.width):
            continue
        yield number, line
        blank = not line.strip(_BLANKS)
        before, header = blank or header, header and blank


def _width(line: str, dialect: Dialect) -> int:
    return len(_GAP.split(line.strip(_BLANKS))) if dialect.delimiter == " " else line.count(dialect.delimiter) + 1


def _quoting(path: Path, delimiter: str, sample: Sequence[tuple[int, str]]) -> tuple[bool, bool]:
    """Whether cells stand in quotation marks, and whether those inside follow a backslash."""

    def marked() -> Iterator[str]:
        return (line.strip(" ") for _, line in numbered_lines(path) if '"' in line)

    cells = (cell for _, line in numbered_lines(path) for cell in line.strip(" ").split(delimiter))
    if not in_quotes([line.strip(" ").split(delimiter) for _, line in sample]) and not quoted_where_needed(cells):
        return False, False
    for escaped in (False, True):
        lines = enumerate(_doubled(line, escaped) for line in marked())
        with suppress(DataError):
            for _ in csv_rows(path, lines, delimiter, several_lines=False):
                pass
            return True, escaped
    return False, False


def quoted_where_needed(cells: Iterable[str]) -> bool:
    """Whether cells stand in quotation marks as pandas and Excel write them: about marks, doubled, or about commas.

    Four alone tell nothing: they are words of MasakhaNER 2.0.
    """
    marked: set[str] = set()
    commas = False
    for cell in cells:
        if '"' in cell:
            if not _QUOTED.fullmatch(cell):
                return False
            marked.add(cell)
        commas = commas or ("," in cell and '"' not in cell)
    doubled = {cell for cell in marked if '"' in cell[1:-1]}
    needed = marked == doubled or (not commas and all("," in cell for cell in marked - doubled))
    return needed and not marked <= {FOUR}


def _doubled(line: str, escaped: bool) -> str:
    return _ESCAPED.sub('""', line) if escaped else line


def _is_metadata(line: str) -> bool:
    return bool(_METADATA.match(line)) or line.startswith(DOCUMENT)


def in_quotes(rows: Sequence[Sequence[str]]) -> bool:
    """Whether some column, in all rows that have it but perhaps the first, is in quotation marks."""
    columns = zip_longest(*(rows[1:] or rows), fillvalue='""')
    return any(all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in column) for column in columns)


def _split(path: Path, lines: Iterable[tuple[int, str]], dialect: Dialect) -> Iterator[Row]:
    delimiter = dialect.delimiter
    if delimiter in ",;" or dialect.quoted:
        yield from _csv(path, ((number, _doubled(line, dialect.escaped)) for number, line in lines), delimiter)
        return
    for number, line in lines:
        if not line.strip(_BLANKS):
            yield number, []
        elif line.startswith(DOCUMENT):
            yield number, [DOCUMENT]
        else:
            yield number, line.split("\t") if delimiter == "\t" else _GAP.split(line.strip(_BLANKS))


def _csv(path: Path, lines: Iterable[tuple[int, str]], delimiter: str) -> Iterator[Row]:
    """Rows of CSV, whose columns hold no line ends."""

    def without_carriage_returns() -> Iterator[tuple[int, str]]:
        for number, line in lines:
            if "\r" in line:
                raise line_end_error(path, number, line)
            yield number, line

    return csv_rows(path, without_carriage_returns(), delimiter, several_lines=False)
