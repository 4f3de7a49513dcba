"""Read text files line by line, so that a file may be larger than memory."""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xltransfer.errors import DataError

MAX_LINE_BYTES = 16 * 2**20
"""The longest line that is read; 16 MiB is about three million words."""
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and text of each line of a UTF-8 file, without line end and byte-order mark.

    Lines end with LF or CRLF. Raises DataError with file and line for invalid UTF-8, NUL bytes, and lines longer than
    `MAX_LINE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
                yield number, _decode(path, number, line)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error


def csv_rows(
    path: Path, lines: Iterable[tuple[int, str]], delimiter: str, *, quoted: bool = True, several_lines: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of numbered lines by the number of their first line; a row of an empty line is empty.

    Blanks after a delimiter are no part of a cell. Raises DataError for quotation marks that are not closed, in the
    same line unless a row may have `several_lines`.
    """
    numbers: list[int] = []

    def text() -> Iterator[str]:
        for number, line in lines:
            numbers.append(number)
            yield line + "\n"

    reader = csv.reader(
        text(), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=True,
        skipinitialspace=delimiter != "\t",
    )  # fmt: skip
    try:
        for fields in reader:
            if len(numbers) > 1 and not several_lines:
                raise csv.Error("a quotation mark is opened and not closed in its line")
            yield numbers[0], fields
            numbers.clear()
    except csv.Error as error:
        raise DataError(
            f"{path}:{numbers[0]}: {error}, in the row that begins here; close its quotation marks, and double those "
            "inside."
        ) from error


def read_lines(path: Path) -> list[str]:
    """Return all lines of a file, as `numbered_lines` yields them. Raises DataError, also if all lines are blank."""
    with report_memory_error(path):
        lines = [line for _, line in numbered_lines(path)]
    if not any(line.strip() for line in lines):
        raise empty_file_error(path)
    return lines


def visible(label: str) -> str:
    """Return a label without characters that nobody sees, composed (NFC), so that equal ones are equal.

    U+200C and U+200D, which change how the letters around them look, stay within it.
    """
    if label.isascii():
        return label
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", label)).strip("\u200c\u200d")


def empty_file_error(path: Path) -> DataError:
    """Return the error for a file in which every line is blank."""
    return DataError(f"{path}: the file is empty.")


@contextmanager
def report_memory_error(path: Path) -> Iterator[None]:
    """Turn MemoryError into DataError, which names the file and suggests to shorten it."""
    try:
        yield
    except MemoryError:
        raise DataError(
            f"{path}: its content does not fit in this machine's memory ({path.stat().st_size / 1e6:.0f} MB on disk). "
            "Keep a part of it, for example with head."
        ) from None


def _decode(path: Path, number: int, line: bytes) -> str:
    """Decode one line and remove its line end. Raises DataError."""
    if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}:1: the file is UTF-16; convert it: {_conversion(path, 'UTF-16')}")
    rest = line.removeprefix(codecs.BOM_UTF8)
    if number == 1 or not rest[:1].isspace():  # files may have been joined; alone it is a token
        line = rest
    if (position := line.find(b"\0")) >= 0:
        raise DataError(
            f"{path}:{number}: byte {position + 1} of the line is NUL, so the file is not text, or is damaged; "
            f"fetch it again, or delete the NULs: tr -d '\\000' < {path.name} > new."
        )
    if len(line) > MAX_LINE_BYTES:
        raise DataError(
            f"{path}:{number}: the line is longer than {MAX_LINE_BYTES // 2**20} MiB, the limit for one line; "
            "put one sentence, text or token on a line."
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8 "
            f"({error.reason}); convert the file from its own encoding, such as {_conversion(path, 'WINDOWS-1252')}"
        ) from error
    return text.removesuffix("\n").removesuffix("\r")


def _conversion(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {path.name} > new."
