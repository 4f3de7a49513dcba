"""Character spans as annotation tools write them, and their alignment to words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xltransfer.data.schemes import BIO, write
from xltransfer.data.words import Offsets, word_offsets

CharSpan = tuple[int, int, str]
"""Start, end and label, in characters."""
_STARTS, _ENDS = ("start", "start_offset", "begin"), ("end", "end_offset")
_LABELS = ("label", "labels", "tag", "type", "entity_group", "class")
_REMARKS = {
    "rejected": "records that the annotator did not accept, left out: {}",
    "unannotated": "records without an annotation, left out: {}",
    "empty": "records without words, left out: {}",
    "disputed": "records with annotations that differ, of which the first is read: {}",
}
_LETTERED = re.compile(r"[BI]-\S")
_PRODIGY = {"spans", "options", "accept", "label", "_task_hash", "_input_hash", "_view_id"}
"""Fields of Prodigy's records, beside its answer."""
_LISTS = ("label", "labels", "entities", "spans", "ents")


@dataclass(frozen=True)
class Annotated:
    """A text with spans; `words` are the tool's own words, if it gives them."""

    tool: str
    text: str
    spans: tuple[CharSpan, ...]
    words: tuple[Offsets, ...] | None = None
    sentences: tuple[int, ...] = ()
    """Where sentences start, in characters."""


class SpanError(Exception):
    """A record with spans that cannot be read; the message says why."""


def annotated(record: Any) -> Annotated | None:
    """Read a record of doccano, Label Studio, Prodigy or spaCy; None if it is none of theirs. Raises SpanError."""
    if (
        isinstance(record, list | tuple)
        and len(record) == 2
        and isinstance(record[0], str)
        and isinstance(record[1], Mapping)
    ):
        record = {"text": record[0], **record[1]}  # spaCy's training data
    if not isinstance(record, Mapping):
        return None
    if isinstance(record.get("data"), Mapping) and (found := _annotations(record)) is not None:
        return _label_studio(record["data"], found)
    text = record.get("text")
    lists = [name for name in _LISTS if isinstance(record.get(name), list)]
    name = next((name for name in lists if record[name]), lists[0] if lists else None)
    if name is None and "answer" in record and isinstance(record.get("tokens"), list):
        return Annotated("Prodigy", text, (), _words(record["tokens"], text)) if isinstance(text, str) else None
    if not isinstance(text, str) or name is None:
        return None
    items = record[name]
    if items and not all(isinstance(item, Mapping) or _is_triple(item) for item in items):
        return None
    tool = {"ents": "spaCy", "spans": "Prodigy", "entities": "spaCy or doccano"}.get(name, "doccano")
    if name in ("label", "labels") and items and isinstance(items[0], Mapping):
        tool = "Label Studio"
    spans, tokens = tuple(_span(item, text) for item in items), record.get("tokens")
    strings = tokens if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens) else []
    last = max((end for _, end, _ in spans), default=0)
    if 0 < last <= len(strings) and not any(map(_said, items)):
        raise SpanError(f"spans end at {last}, and there are {len(strings)} tokens: are these offsets of tokens? Those "
                        "of characters are needed, or a list of tags")  # fmt: skip
    return Annotated(tool, text, spans, _words(tokens, text), _sentences(record.get("sents")))


def left_out(record: Any) -> str:
    """Why a record is left out, as a key of `remarks`, or an empty string.

    `rejected`: an annotator did not accept it (Prodigy's answer, Label Studio's cancelled annotation). `unannotated`:
    it is one of Label Studio's that nobody has annotated yet.
    """
    if not isinstance(record, Mapping):
        return ""
    found = _annotations(record)
    if (_is_prodigy(record) and record.get("answer") in ("reject", "ignore")) or (found and not _kept(found)):
        return "rejected"
    return "unannotated" if found == [] and isinstance(record.get("data"), Mapping) else ""


def _is_prodigy(record: Mapping[str, Any]) -> bool:
    """Whether its answer is that of an annotator, and not to a question in the data."""
    tokens = record.get("tokens")
    theirs = isinstance(tokens, list) and all(isinstance(token, Mapping) for token in tokens)
    return "question" not in record and (theirs or not _PRODIGY.isdisjoint(record))


def remarks(counts: Mapping[str, int]) -> Iterator[str]:
    """What is said of the records that were left out, or whose annotators differ."""
    return (text.format(counts[name]) for name, text in _REMARKS.items() if counts.get(name))


def is_disputed(record: Any) -> bool:
    """Whether Label Studio has annotations of several people that differ; the first is read."""
    kept = [[one.get("value") for one in _results(found)] for found in _kept(_annotations(record) or [])]
    return any(other != kept[0] for other in kept)


def results_of(annotations: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Return the results of Label Studio's first annotation that was not cancelled."""
    return next(map(_results, _kept(annotations)), [])


def _annotations(record: Any) -> list[Any] | None:
    """Label Studio's annotations of a record."""
    found = record.get("annotations", record.get("completions")) if isinstance(record, Mapping) else None
    theirs = isinstance(found, list) and all(isinstance(one, Mapping) and "result" in one for one in found)
    return found if isinstance(found, list) and theirs else None


def _kept(annotations: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [one for one in annotations if isinstance(one, Mapping) and not one.get("was_cancelled")]


def _results(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its results, in the order of their places in the text."""
    found = [one for one in annotation.get("result") or [] if isinstance(one, Mapping)]
    return sorted(found, key=lambda one: json.dumps(one.get("value"), sort_keys=True))


def _label_studio(data: Mapping[str, Any], annotations: Sequence[Any]) -> Annotated:
    texts = [value for value in data.values() if isinstance(value, str)]
    text = data["text"] if isinstance(data.get("text"), str) else texts[0] if len(texts) == 1 else None
    if text is None:
        raise SpanError(f"no single text in data: {', '.join(map(str, data))}")
    results = results_of(annotations)
    kinds = [str(one.get("type", "labels")) for one in results]
    if other := [kind for kind in kinds if kind.endswith("labels") and kind != "labels"]:
        raise SpanError(f"a result of type {other[0]}; labels of plain text are needed (<Labels> on <Text>)")
    values = [one.get("value") for one, kind in zip(results, kinds, strict=True) if kind == "labels"]
    return Annotated("Label Studio", text, tuple(_span(value, text) for value in values))


def _is_triple(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 3 and isinstance(item[0], int) and isinstance(item[2], str)


def _span(item: Any, text: str) -> CharSpan:
    """A span within its text. Raises SpanError."""
    if isinstance(item, Mapping):
        start, end = (next((item[name] for name in names if name in item), None) for names in (_STARTS, _ENDS))
        label = next((item[name] for name in _LABELS if item.get(name)), None)
        label = label[0] if isinstance(label, list) and len(label) == 1 else label
    elif _is_triple(item):
        start, end, label = item
    else:
        start = end = label = None
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label.strip():
        raise SpanError(f"a span is {str(item)[:80]}; needed: a start, an end and one label")
    if (said := _said(item)) and text[start:end] != said:
        start, end = _from_utf16(text, start, end)
        if text[start:end] != said:
            raise SpanError(
                f"span {item.get('start')}-{item.get('end')} is {text[start:end][:40]!r}, not {said[:40]!r}"
            )
    if _LETTERED.match(label):
        raise SpanError(f"a span's label is {label[:40]!r}, with a letter of a scheme; those of whole entities are "
                        "needed, such as PER, or a list of tags")  # fmt: skip
    if not 0 <= start < end <= len(text):
        raise SpanError(f"span {start}-{end} is outside of its text of {len(text)} characters")
    return start, end, "-".join(label.split())


def _said(item: Any) -> str:
    """The text of a span as the tool wrote it beside its offsets."""
    return str(item["text"]) if isinstance(item, Mapping) and isinstance(item.get("text"), str) else ""


def _from_utf16(text: str, start: int, end: int) -> tuple[int, int]:
    """Offsets in UTF-16 code units, which browsers count, as offsets in characters."""
    units = text.encode("utf-16-le", "surrogatepass")
    first, last = (len(units[: 2 * place].decode("utf-16-le", "ignore")) for place in (start, end))
    return first, last


def _sentences(found: Any) -> tuple[int, ...]:
    """Starts of spaCy's sentences."""
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        return ()
    return tuple(one["start"] for one in found if type(one.get("start")) is int)


def _words(tokens: Any, text: str) -> tuple[Offsets, ...] | None:
    """The tool's own words."""
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, Mapping) for token in tokens):
        return None
    found = [(token.get("start"), token.get("end")) for token in tokens]
    if not all(type(start) is int and type(end) is int and 0 <= start < end <= len(text) for start, end in found):
        raise SpanError("a token has no start and end within its text")
    return tuple((start, end) for start, end in found if text[start:end].strip())


@dataclass(frozen=True)
class Aligned:
    """Words with BIO tags; how many spans cut a word and were widened to it, and how many overlap another one."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    cut: int
    overlapping: int
    starts: tuple[int, ...] = ()
    """Numbers of the words that begin a sentence, if the tool says so."""


def aligned(found: Annotated) -> Aligned:
    """Align spans to words. Of spans that share a word, the longest is taken."""
    offsets = found.words if found.words is not None else word_offsets(found.text)
    free, entities, cut, overlapping = [True] * len(offsets), [], 0, 0
    for start, end, label in sorted(found.spans, key=lambda span: (span[0] - span[1], span[0])):
        inside = [number for number, (first, last) in enumerate(offsets) if first < end and start < last]
        if not inside:
            continue  # blanks alone
        first, last = inside[0], inside[-1]
        cut += offsets[first][0] < start or end < offsets[last][1]
        if not all(free[first : last + 1]):
            overlapping += 1
            continue
        free[first : last + 1] = [False] * (last + 1 - first)
        entities.append((first, last + 1, label))
    tags = write(len(offsets), sorted(entities), BIO)
    words = tuple(found.text[start:end] for start, end in offsets)
    starts = {next((n for n, (_, end) in enumerate(offsets) if end > start), 0) for start in found.sentences}
    return Aligned(words, tuple(tags), cut, overlapping, tuple(sorted(starts | {0})))
