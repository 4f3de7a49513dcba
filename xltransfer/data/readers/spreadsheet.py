"""Read the first sheet of a spreadsheet row by row."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xltransfer.errors import DataError

MAX_UNPACKED_BYTES = 256 * 2**20
"""The largest unpacked size: openpyxl holds shared strings in memory. SentiPers unpacks to 9 MB."""


def spreadsheet_rows(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yield number, from 1, and fields of each non-empty row, padded to the first row's length. Raises DataError."""
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path}: reading a spreadsheet needs openpyxl; run: pip install 'xltransfer[xlsx]'."
        ) from error
    try:
        _check_size(path)
        with path.open("rb") as file:  # openpyxl does not close the file if it fails
            with warnings.catch_warnings():  # it warns of styles and extensions, which do not matter here
                warnings.simplefilter("ignore")
                workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
            width = 0
            for number, fields in enumerate(workbook.worksheets[0].iter_rows(values_only=True), 1):
                if row := _strip_empty_end(fields):
                    width = width or len(row)
                    yield str(number), row + [""] * (width - len(row))
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # openpyxl raises KeyError, BadZipFile, ValueError, ParseError on a damaged file
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not a readable spreadsheet ({type(error).__name__}: {reason}); save it as .xlsx again, or as CSV."
        ) from error


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path}: the spreadsheet unpacks to {unpacked / 2**20:.0f} MiB; at most {MAX_UNPACKED_BYTES // 2**20} "
            "MiB are read. Save its first sheet as CSV, which is read row by row."
        )


def _strip_empty_end(fields: tuple[Any, ...]) -> list[Any]:
    row = ["" if field is None else field for field in fields]
    while row and row[-1] == "":
        row.pop()
    return row
