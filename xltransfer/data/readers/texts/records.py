"""Read labelled texts from records: fields by their usual names, and what annotation tools write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.readers.label_names import name_of, names_in_info
from xltransfer.data.readers.records import Records, read_records
from xltransfer.data.readers.spans import is_rejected, results_of
from xltransfer.data.readers.texts.columns import LABEL_NAMES, TEXT_NAMES, Names, usual_names
from xltransfer.data.readers.understood import Content, Row
from xltransfer.errors import DataError


def record_rows(path: Path, told: Sequence[str]) -> Content:
    """Read the rows of a file of records, but for those that the annotator did not accept. Raises DataError."""
    if told and len(told) not in (2, 3):
        raise DataError(
            f"{path}: columns: received {','.join(told)}; allowed for records: the fields of text and label, as "
            "text,label, or of text, second text and label."
        )
    records = read_records(path)
    rows: list[Row] = []
    rejected, names = 0, None
    for place, record in records.found:
        where = f"{path}:{place}"
        if not isinstance(record, Mapping):
            raise DataError(f"{where}: received {type(record).__name__}; an object with a text and a label is needed.")
        if is_rejected(record):
            rejected += 1
            continue
        plain = _plain(record)
        names = _fields(where, plain, told)
        label = _one(where, plain[names.label])
        if type(label) is int and not (names.second and label == -1):  # a pair without a label
            label = _class_name(path, where, names.label, label, records)
        rows.append((place, plain[names.text], plain[names.second] if names.second else None, label))
    notes = [f"{rejected} records that the annotator did not accept are left out"] if rejected else []
    if names is None:
        return Content(records.format, rows, notes=tuple(notes))
    return Content(records.format, rows, names.label, notes=(*notes, names.note) if names.note else tuple(notes))


def _class_name(path: Path, where: str, field: str, number: int, records: Records) -> int | str:
    """The name of a class id, by the file's features or those beside it; the id if there are no names."""
    if field not in records.names:
        records.names[field] = names_in_info(path.parent, field) or ()
    names = records.names[field]
    return name_of(where, field, number, names) if names else number


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


def _fields(where: str, record: Mapping[str, Any], told: Sequence[str]) -> Names:
    """The fields by their usual names, or as told. Raises DataError."""
    if told:
        first, *others, last = told
        if missing := [name for name in told if name not in record]:
            raise DataError(f"{where}: no field {missing[0]!r} in {list(record)!r:.200}.")
        return Names(first, others[0] if others else None, last)
    spelling = {str(name).strip().lower(): str(name) for name in [*record][::-1]}
    found = usual_names(spelling)
    if isinstance(found, str):
        allowed = TEXT_NAMES if found == "text" else LABEL_NAMES
        raise DataError(
            f"{where}: no {found} column in {list(record)!r:.200}; allowed: {', '.join(allowed)}, or others by "
            "--data-opt columns=TEXT,LABEL."
        )
    second = None if found.second is None else spelling[found.second]
    return Names(spelling[found.text], second, spelling[found.label], tuple(spelling[name] for name in found.others))


def _one(where: str, label: Any) -> Any:
    """The only label of a list."""
    if isinstance(label, list) and not any(isinstance(one, list | Mapping) for one in label):
        if len(label) != 1:
            raise DataError(f"{where}: {len(label)} labels, {str(label)[:60]}; one label a text is needed.")
        return label[0]
    return str(label).lower() if isinstance(label, bool) else label
