"""What the labels of texts are: names, stars, a polarity, or 0 and 1; never guessed from a few numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from xltransfer.data.examples import LabelledText
from xltransfer.data.readers.label_names import FILES, label_names, name_of
from xltransfer.data.readers.understood import Content, Reading, Row
from xltransfer.errors import DataError

Scale = Literal["stars", "polarity", "binary", "name"]
_SCALES: dict[str, Scale] = {"stars": "stars", "rating": "stars", "star_rating": "stars", "polarity": "polarity"}
_ID = re.compile(r"[0-9]{1,4}")
_SIGNED = re.compile(r"[+-]?[0-9]{1,4}")
_WHOLE = re.compile(r"([+-]?[0-9]{1,4})(\.0+)?")
_WITHHELD = {"-1", "-"}
"""What public corpora of pairs write where annotators disagree or the label is not published."""
_UNLABELLED = {"-1"}


def labels_in(content: Content) -> set[str]:
    """The labels of a file as they stand, for other files of its language; none if they are only withheld."""
    found = {label for *_, label in _whole_numbers(content.rows)}
    return set() if found == _UNLABELLED else found


def interpreted(path: Path, content: Content, scale: Scale | None, others: Callable[[], set[str]]) -> Reading:
    """Make examples of clean rows, with names in the place of class ids that have them.

    The scale is the given one, or what the column's name says; otherwise signed numbers are a polarity, 0 and 1 alone
    are binary, and all else are names. `others` gives the labels of the other files of the language, which count where
    labels are numbers. Raises DataError.
    """
    content = _without_withheld(path, replace(content, rows=_whole_numbers(content.rows)))
    labels = {label for *_, label in content.rows}
    pairs = content.rows[0][2] is not None
    whole = all(map(_SIGNED.fullmatch, labels))
    known = _checked(path, content, scale, others) if scale else _SCALES.get(content.label_name.lower())
    names_alone = not any(map(_is_number, labels))
    if scale is None and (names_alone or (known == "polarity" and whole and not _negative(labels | others()))):
        known = None  # the column's name says what its labels cannot be
    rows, notes = content.rows, content.notes
    if known is None and all(map(_ID.fullmatch, labels)) and (names := label_names(path.parent)):
        rows = [(place, text, second, name_of(f"{path}:{place}", content.label_name or "the labels", int(label), names))
                for place, text, second, label in rows]  # fmt: skip
    elif known is None and not pairs and whole:
        known, note = _scale_of(path, labels, labels | others())
        notes = (*notes, note)
    examples = [
        LabelledText(f"{path.name}:{place}", text, label, known or "name", second)
        for place, text, second, label in rows
    ]
    return Reading(examples, content.format, content.columns, notes=notes)


def _checked(path: Path, content: Content, scale: Scale, others: Callable[[], set[str]]) -> Scale:
    """The scale as told. Raises DataError for labels that cannot be on it."""
    labels = {label for *_, label in content.rows}
    if scale == "binary" and (other := next((row for row in content.rows if row[3] not in ("0", "1")), None)):
        raise DataError(f"{path}:{other[0]}: label {other[3][:60]!r} with scale=binary; allowed: 0 and 1.")
    if scale == "polarity" and all(map(_is_number, labels)) and not _negative(labels | others()):
        raise DataError(f"{path}: scale=polarity, but of its labels {', '.join(sorted(labels))[:60]} none is negative; "
                        "allowed: numbers below and above 0. For 0 and 1: scale=binary; for classes: scale=name."
                        )  # fmt: skip
    return scale


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _negative(labels: set[str]) -> bool:
    return any(_is_number(label) and float(label) < 0 for label in labels)


def _scale_of(path: Path, own: set[str], every: set[str]) -> tuple[Scale, str]:
    """The scale of numbers in a column that does not say what they are, and a note that says so. Raises DataError."""
    if not all(map(_SIGNED.fullmatch, every)):
        return "name", "labels are read as classes, since other files of the language have names"
    numbers = sorted(map(int, every))
    if own == _UNLABELLED or (numbers[0] < 0 and -numbers[0] < numbers[-1]):
        what = "every label is -1" if own == _UNLABELLED else f"labels go from {numbers[0]} to {numbers[-1]}"
        raise DataError(
            f"{path}: {what}: a polarity, or -1 for texts without a label? Say --data-opt scale=polarity or "
            "scale=name, or take the texts without a label out."
        )
    if numbers[0] < 0 or any(label.startswith("+") for label in every):
        return "polarity", "labels with a sign are read as a polarity; otherwise: --data-opt scale=name"
    if numbers[-1] <= 1:
        taken = "labels 0 and 1: task sentiment takes them for negative and positive"
        return "binary", f"{taken}; otherwise: --data-opt scale=name"
    return "name", (
        f"labels {', '.join(map(str, numbers[:5]))} are read as classes; otherwise: --data-opt scale=stars or "
        f"scale=polarity, or their names in {FILES[0]} beside the file"
    )


def _whole_numbers(rows: Sequence[Row]) -> Sequence[Row]:
    """Labels such as 1.0 as 1, if all labels are whole numbers; True as true."""
    if {label.lower() for *_, label in rows} <= {"true", "false"}:
        return [(*row[:3], row[3].lower()) for row in rows]
    whole = [_WHOLE.fullmatch(label) for *_, label in rows]
    if not all(whole):
        return rows
    return [(*row[:3], match[1]) for row, match in zip(rows, whole, strict=True) if match]


def _without_withheld(path: Path, content: Content) -> Content:
    """Leave out pairs without a label, and say how many. Raises DataError if none is left."""
    kept = [row for row in content.rows if row[2] is None or row[3] not in _WITHHELD]
    if not kept:
        raise DataError(f"{path}: no pair of texts has a label; all of them are - or -1.")
    if len(kept) == len(content.rows):
        return content
    left_out = f"{len(content.rows) - len(kept)} of {len(content.rows)} pairs have no label (- or -1) and are left out"
    return replace(content, rows=kept, notes=(*content.notes, left_out))
