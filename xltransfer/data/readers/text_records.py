"""Read labelled texts from records: fields by their usual names, and what annotation tools write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.readers.label_names import name_of, names_in_info
from xltransfer.data.readers.records import read_records
from xltransfer.data.readers.spans import is_rejected, results_of
from xltransfer.data.readers.text_columns import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES
from xltransfer.errors import DataError

Row = tuple[str, Any, Any, Any]
"""Place in the file, text, second text or None, raw label."""


def record_rows(path: Path, told: Sequence[str]) -> tuple[str, str, list[Row], int]:
    """Return format, label field, rows, and how many records the annotator did not accept. Raises DataError."""
    if told and len(told) not in (2, 3):
        raise DataError(
            f"{path}: columns: received {','.join(told)}; allowed for records: the fields of text and label, as "
            "text,label, or of text, second text and label."
        )
    records = read_records(path)
    rows: list[Row] = []
    rejected, column = 0, ""
    for place, record in records.found:
        where = f"{path}:{place}"
        if not isinstance(record, Mapping):
            raise DataError(f"{where}: received {type(record).__name__}; an object with a text and a label is needed.")
        if is_rejected(record):
            rejected += 1
            continue
        plain = _plain(record)
        text, second, column = _fields(where, plain, told)
        label = _one(where, plain[column])
        if type(label) is int:
            if column not in records.names:
                records.names[column] = names_in_info(path.parent, column) or ()
            if names := records.names[column]:
                label = name_of(where, column, label, names)
        rows.append((place, plain[text], plain[second] if second else None, label))
    return records.format, column, rows, rejected


def _plain(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record of Label Studio or Prodigy with its text and label as fields."""
    annotations = record.get("annotations")
    if isinstance(data := record.get("data"), Mapping) and isinstance(annotations, list):
        values = [one["value"] for one in results_of(annotations) if isinstance(one.get("value"), Mapping)]
        choices = [value["choices"] for value in values if "choices" in value]
        return {**data, "label": choices[0] if len(choices) == 1 else None}
    if "label" not in record and isinstance(record.get("accept"), list):
        return {**record, "label": record["accept"]}
    return record


def _fields(where: str, record: Mapping[str, Any], told: Sequence[str]) -> tuple[str, str | None, str]:
    if told:
        first, *others, last = told
        if missing := [name for name in told if name not in record]:
            raise DataError(f"{where}: no field {missing[0]!r} in {list(record)!r:.200}.")
        return first, others[0] if others else None, last
    names = {str(name).lower(): str(name) for name in [*record][::-1]}
    label = next((name for name in LABEL_NAMES if name in names), None)
    pair = next((pair for pair in PAIR_NAMES if set(pair) <= set(names)), None)
    text = pair[0] if pair else next((name for name in TEXT_NAMES if name in names), None)
    if text is None or label is None:
        what, allowed = ("text", TEXT_NAMES) if text is None else ("label", LABEL_NAMES)
        raise DataError(
            f"{where}: no {what} column in {list(record)!r:.200}; allowed: {', '.join(allowed)}, or others by "
            "--data-opt columns=TEXT,LABEL."
        )
    return names[text], names[pair[1]] if pair else None, names[label]


def _one(where: str, label: Any) -> Any:
    """The only label of a list."""
    if isinstance(label, list) and not any(isinstance(one, list | Mapping) for one in label):
        if len(label) != 1:
            raise DataError(f"{where}: {len(label)} labels, {str(label)[:60]}; one label a text is needed.")
        return label[0]
    return str(label).lower() if isinstance(label, bool) else label
