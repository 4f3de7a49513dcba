"""Read tagged words from records: a field of words and a field of tags, or a text with character spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.entities import TagCheck, bio_or_checked
from xltransfer.data.readers.label_names import FILES, label_names, name_of, names_in_info
from xltransfer.data.readers.lines import report_memory_error
from xltransfer.data.readers.records import Records, read_records
from xltransfer.data.readers.roles import Wanted
from xltransfer.data.readers.spans import SpanError, aligned, annotated, is_rejected
from xltransfer.data.readers.understood import Reading
from xltransfer.errors import DataError

_WORDS = ("tokens", "words", "token", "word", "text", "sentence", "form", "forms")
_ENTITY_TAGS = ("ner_tags", "ner", "ner_tag", "entities", "bio", "tags", "labels", "tag", "label")
_WORD_TAGS = ("upos", "pos_tags", "pos", "upos_tags", "pos_tag", "tags", "labels", "tag", "label")


@dataclass
class _Found:
    """What the records of a file gave."""

    places: list[str] = field(default_factory=list)
    words: list[tuple[str, ...]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    fields: tuple[str, ...] = ()
    tools: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)


def understand_records(
    path: Path, check_tag: TagCheck, *, wanted: Wanted = None, columns: Sequence[str] = (), scheme: str | None = None
) -> Reading:
    """Read all sentences of a file of records; arguments as in `understand_tagged`. Raises DataError."""
    if columns and len(columns) != 2:
        raise DataError(f"{path}: columns: received {','.join(columns)}; allowed for records: the field of the words "
                        "and that of the tags, such as tokens,ner_tags.")  # fmt: skip
    with report_memory_error(path):
        records = read_records(path)
        found = _Found()
        for place, record in records.found:
            _take(path, place, record, records, found, wanted, columns)
        if not found.words:
            raise DataError(f"{path}: no sentence in the file.")
        tags, known, changed = bio_or_checked(
            found.tags, lambda sentence, place: f"{path}:{found.places[sentence]}", check_tag, wanted, scheme
        )
    examples = [
        TaggedSentence(f"{path.name}:{place}", words, tuple(own))
        for place, words, own in zip(found.places, found.words, tags, strict=True)
    ]
    named = f"{records.format} of {' and '.join(found.tools)} spans" if found.tools else records.format
    return Reading(examples, named, found.fields, known, changed, tuple(_notes(found)))


def _notes(found: _Found) -> Iterator[str]:
    spans, counts = sum(found.tools.values()), found.counts
    if counts["rejected"]:
        yield f"{counts['rejected']} records that the annotator did not accept are left out"
    if counts["split"]:
        yield "texts are split into words at white space and punctuation (as BERT's pre-tokenizer does)"
    if found.tools:
        yield (f"{counts['spans']} spans in {spans} texts; {counts['cut']} cut a word and were widened to it; "
               f"{counts['overlapping']} share a word with a longer one and are left out")  # fmt: skip


def _take(
    path: Path, place: str, record: Any, records: Records, found: _Found, wanted: Wanted, told: Sequence[str]
) -> None:
    """Add a record's sentence, or sentences."""
    where = f"{path}:{place}"
    if is_rejected(record):
        found.counts["rejected"] += 1
        return
    if pair := _fields(record, wanted, told):
        words = [_word(where, word) for word in record[pair[0]]]
        tags = _tags(path, where, record[pair[1]], pair[1], records)
        _add(where, place, words, tags, found)
        found.fields = pair
        return
    if sentences := _spacy_sentences(record):
        for number, tokens in enumerate(sentences, 1):
            words = [_word(where, token.get("orth")) for token in tokens]
            _add(where, f"{place}.{number}", words, [str(token.get("ner")) for token in tokens], found)
        return
    try:
        text = annotated(record)
        if text is None or wanted == "words":
            raise _unknown(where, record, wanted)
        result = aligned(text)
    except SpanError as error:
        raise DataError(f"{where}: {error}.") from error
    if not result.words:
        return
    found.tools[text.tool] += 1
    found.counts["split"] += text.words is None
    found.counts["spans"] += len(text.spans)
    found.counts["cut"] += result.cut
    found.counts["overlapping"] += result.overlapping
    _add(where, place, result.words, list(result.tags), found)


def _add(where: str, place: str, words: Sequence[str], tags: list[str], found: _Found) -> None:
    if len(words) != len(tags):
        raise DataError(f"{where}: {len(words)} words but {len(tags)} tags.")
    if not words:
        raise DataError(f"{where}: no words.")
    found.places.append(place)
    found.words.append(tuple(words))
    found.tags.append(tags)


def _fields(record: Any, wanted: Wanted, told: Sequence[str]) -> tuple[str, str] | None:
    """The fields of words and tags: lists of equal kind, by their usual names or as told."""
    if not isinstance(record, Mapping):
        return None
    if told:
        return (told[0], told[1]) if all(isinstance(record.get(name), list) for name in told) else None
    by_lower = {name.lower(): name for name, value in [*record.items()][::-1] if _is_flat(value)}
    tags = {"entities": _ENTITY_TAGS, "words": _WORD_TAGS}.get(wanted or "", (*_ENTITY_TAGS[:4], *_WORD_TAGS))
    words = next((by_lower[name] for name in _WORDS if name in by_lower), None)
    tag = next((by_lower[name] for name in tags if name in by_lower), None)
    return None if words is None or tag is None else (words, tag)


def _is_flat(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def _word(where: str, word: Any) -> str:
    if not isinstance(word, str) or not word.strip() or set("\r\n\0") & set(word.strip()):
        raise DataError(f"{where}: a word is {str(word)[:40]!r}; a string without line ends is needed.")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: a word holds half of a surrogate pair: {word[:40]!a}.") from error
    return word.strip()


def _tags(path: Path, where: str, raw: Sequence[Any], name: str, records: Records) -> list[str]:
    """Tags as strings: ids by their names."""
    if not all(type(tag) is int or (isinstance(tag, str) and tag.isdigit()) for tag in raw):
        if any(not isinstance(tag, str) or not tag.strip() or not tag.isprintable() for tag in raw):
            raise DataError(f"{where}: a tag in {name} is neither a string nor an id: {str(list(raw))[:60]}.")
        return [tag.strip() for tag in raw]
    if name not in records.names:
        records.names[name] = _names_beside(path, name)
    return [name_of(where, name, int(tag), records.names[name]) for tag in raw]


def _names_beside(path: Path, name: str) -> tuple[str, ...]:
    if names := names_in_info(path.parent, name) or label_names(path.parent):
        return names
    raise DataError(
        f"{path}: {name} holds ids, and nothing says their names; put {FILES[0]} beside the file, the name of id 0 in "
        f"its first line (or {FILES[-1]}, or the corpus's dataset_info.json)."
    )


def _spacy_sentences(record: Any) -> list[list[Mapping[str, Any]]]:
    """Sentences of spaCy 2's training format."""
    if not isinstance(record, Mapping) or not isinstance(record.get("paragraphs"), list):
        return []
    sentences = [s for p in record["paragraphs"] if isinstance(p, Mapping) for s in p.get("sentences") or []]
    tokens = [s.get("tokens") for s in sentences if isinstance(s, Mapping)]
    return [list(one) for one in tokens if isinstance(one, list) and one and all(isinstance(t, Mapping) for t in one)]


def _unknown(where: str, record: Any, wanted: Wanted) -> DataError:
    keys = ", ".join(map(str, record))[:120] if isinstance(record, Mapping) else type(record).__name__
    names = _WORD_TAGS[:3] if wanted == "words" else _ENTITY_TAGS[:3]
    return DataError(
        f"{where}: no words with tags in its fields ({keys}). Allowed: lists of words ({', '.join(_WORDS[:2])}) and of "
        f"tags ({', '.join(names)}), other names by --data-opt columns=WORDS,TAGS, or a text with spans as doccano, "
        "Label Studio, Prodigy and spaCy write them."
    )
