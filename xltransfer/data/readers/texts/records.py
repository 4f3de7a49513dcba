"""Read labelled texts from records: fields by their usual names, and what annotation tools write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.readers.label_names import name_of, names_in_info
from xltransfer.data.readers.records import Records, read_records
from xltransfer.data.readers.spans import is_disputed, left_out, remarks, results_of
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
    counts: Counter[str] = Counter()
    kept: list[tuple[str, Mapping[str, Any]]] = []
    for place, record in records.found:
        if not isinstance(record, Mapping):
            kind = type(record).__name__
            raise DataError(f"{path}:{place}: received {kind}; an object with a text and a label is needed.")
        if reason := left_out(record):
            counts[reason] += 1
            continue
        counts["disputed"] += is_disputed(record)
        kept.append((place, _plain(record)))
    if not kept:
        return Content(records.format, [], notes=tuple(remarks(counts)))
    names = _fields(path, kept, told)
    rows: list[Row] = []
    for place, record in kept:
        where = f"{path}:{place}"
        if missing := [name for name in (names.text, names.second, names.label) if name and name not in record]:
            raise DataError(f"{where}: no field {missing[0]!r} in {list(record)!r:.200}.")
        if record[names.label] == []:
            counts["unannotated"] += 1
            continue
        label = _one(where, record[names.label])
        if type(label) is int and not (names.second and label == -1):  # a pair without a label
            label = _class_name(path, where, names.label, label, records)
        rows.append((place, record[names.text], record[names.second] if names.second else None, label))
    notes = (*remarks(counts), names.note) if names.note else tuple(remarks(counts))
    return Content(records.format, rows, names.label, notes=notes)


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
        return _labelled(data, choices[0] if len(choices) == 1 else None)
    return _labelled(record, record["accept"]) if isinstance(record.get("accept"), list) else record


def _labelled(record: Mapping[str, Any], label: Any) -> Mapping[str, Any]:
    """A record with the annotator's label, and no other field that could be one."""
    return {name: value for name, value in record.items() if str(name).lower() not in LABEL_NAMES} | {"label": label}


def _fields(path: Path, kept: Sequence[tuple[str, Mapping[str, Any]]], told: Sequence[str]) -> Names:
    """The fields by their usual names, first of those that all records have, or as told. Raises DataError."""
    if told:
        first, *others, last = told
        return Names(first, others[0] if others else None, last)
    counts = Counter(str(name) for _, record in kept for name in record)
    always = [name for name, count in counts.items() if count == len(kept)]
    found: Names | str = "text"
    for names in (always, list(counts)):
        spelling = {name.strip().lower(): name for name in names[::-1]}
        found = usual_names(spelling)
        if not isinstance(found, str):
            second = None if found.second is None else spelling[found.second]
            unused = tuple(spelling[name] for name in found.others)
            return Names(spelling[found.text], second, spelling[found.label], unused)
    place, record = kept[0]
    allowed = TEXT_NAMES if found == "text" else LABEL_NAMES
    raise DataError(
        f"{path}:{place}: no {found} column in {list(record)!r:.200}; allowed: {', '.join(allowed)}, or others by "
        "--data-opt columns=TEXT,LABEL."
    )


def _one(where: str, label: Any) -> Any:
    """The only label of a list."""
    if isinstance(label, list) and not any(isinstance(one, list | Mapping) for one in label):
        if len(label) != 1:
            raise DataError(f"{where}: {len(label)} labels, {str(label)[:60]}; one label a text is needed.")
        return label[0]
    return str(label).lower() if isinstance(label, bool) else label
