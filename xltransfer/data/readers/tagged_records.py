"""Read tagged words from records: a field of words and a field of tags, or a text with character spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.entities import TagCheck, bio_or_checked
from xltransfer.data.readers.label_names import FILES, label_names, name_of, names_in_info
from xltransfer.data.readers.lines import report_memory_error, visible
from xltransfer.data.readers.records import Records, read_records
from xltransfer.data.readers.spans import SpanError, aligned, annotated, is_disputed, left_out, remarks
from xltransfer.data.readers.understood import Reading
from xltransfer.data.readers.words.columns import is_part_of_speech
from xltransfer.data.readers.words.roles import Wanted
from xltransfer.data.schemes import looks_like_tag
from xltransfer.errors import DataError

_WORDS = ("tokens", "words", "token", "word", "text", "sentence", "form", "forms")
_ENTITY_TAGS = ("ner_tags", "ner", "ner_tag", "entities", "bio", "tags", "labels", "tag", "label")
_WORD_TAGS = ("upos", "pos_tags", "pos", "upos_tags", "pos_tag", "tags", "labels", "tag", "label")


@dataclass
class _Found:
    """What the records of a file gave; `fields` are those of words and tags."""

    fields: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Fields that could be the tags instead."""
    places: list[str] = field(default_factory=list)
    words: list[tuple[str, ...]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
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
        found = _Found((columns[0], columns[1])) if columns else _fields(read_records(path), wanted)
        for place, record in records.found:
            _take(path, place, record, records, found, wanted)
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
    return Reading(examples, named, () if found.tools else found.fields, known, changed, tuple(_notes(found)))


def _notes(found: _Found) -> Iterator[str]:
    spans, counts = sum(found.tools.values()), found.counts
    if found.others:
        yield (f"the tags are {found.fields[1]!r}, not {' or '.join(map(repr, found.others))}; otherwise: --data-opt "
               f"columns={found.fields[0]},{found.others[0]}")  # fmt: skip
    yield from remarks(counts)
    if counts["split"]:
        yield "texts are split into words at white space and punctuation (as BERT's pre-tokenizer does)"
    if found.tools:
        yield (f"{counts['spans']} spans in {spans} texts; {counts['cut']} cut a word and were widened to it; "
               f"{counts['overlapping']} share a word with a longer one and are left out")  # fmt: skip


def _take(path: Path, place: str, record: Any, records: Records, found: _Found, wanted: Wanted) -> None:
    """Add a record's sentence, or sentences."""
    where = f"{path}:{place}"
    if reason := left_out(record):
        found.counts[reason] += 1
        return
    if (
        found.fields
        and isinstance(record, Mapping)
        and all(isinstance(record.get(name), list) for name in found.fields)
    ):
        words, tags = (record[name] for name in found.fields)
        if not words and not tags:
            found.counts["empty"] += 1
            return
        read = [_word(where, word) for word in words]
        _add(where, place, read, _tags(path, where, tags, found.fields[1], records, wanted), found)
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
    found.counts["disputed"] += is_disputed(record)
    found.tools[text.tool] += 1
    found.counts["split"] += text.words is None
    found.counts["spans"] += len(text.spans)
    found.counts["cut"] += result.cut
    found.counts["overlapping"] += result.overlapping
    for number, (start, end) in enumerate(pairwise((*result.starts, len(result.words))), 1):
        own = place if len(result.starts) == 1 else f"{place}.{number}"
        _add(where, own, result.words[start:end], list(result.tags[start:end]), found)


def _add(where: str, place: str, words: Sequence[str], tags: list[str], found: _Found) -> None:
    if len(words) != len(tags):
        raise DataError(f"{where}: {len(words)} words but {len(tags)} tags.")
    if not words:
        raise DataError(f"{where}: no words.")
    found.places.append(place)
    found.words.append(tuple(words))
    found.tags.append(tags)


def _fields(records: Records, wanted: Wanted) -> _Found:
    """The fields of words and tags, by their usual names and by what they hold in all records of the file."""
    held: dict[str, _Field] = {}
    count = 0
    for _, record in records.found:
        if not isinstance(record, Mapping) or left_out(record) == "rejected":
            continue
        count += 1
        for name, value in record.items():
            if _is_flat(value):
                held.setdefault(str(name), _Field()).add(value)
    always = {name: one for name, one in held.items() if one.records == count}
    usual = {"entities": _ENTITY_TAGS, "words": _WORD_TAGS}.get(wanted or "", (*_ENTITY_TAGS[:4], *_WORD_TAGS))
    for among in (always, held):
        lower = {name.lower(): name for name in [*among][::-1]}
        words = next((lower[name] for name in _WORDS if name in lower), None)
        named = [lower[name] for name in usual if name in lower and lower[name] != words]
        tags = [name for name in named if among[name].may_hold(wanted)]
        if wanted == "entities":  # under any name
            tags += [name for name, one in among.items() if name not in (*tags, words) and one.entities]
        if wanted == "words" and not tags:  # under any name
            tags = [name for name, one in among.items() if name != words and one.parts_of_speech]
        if words is not None and (tags or named):
            first, *others = tags or named
            return _Found((words, first), tuple(others))
    return _Found()


@dataclass
class _Field:
    """What a field of lists holds in the records of a file."""

    records: int = 0
    strings: int = 0
    in_scheme: int = 0
    outside: int = 0
    known: int = 0
    """Strings that are parts of speech."""

    def add(self, values: Sequence[Any]) -> None:
        strings = [value for value in values if isinstance(value, str)]
        self.records += 1
        self.strings += len(strings)
        self.in_scheme += sum(looks_like_tag(value.strip()) for value in strings)
        self.outside += strings.count("O")
        self.known += sum(is_part_of_speech(value.strip()) for value in strings)

    @property
    def entities(self) -> bool:
        """Whether at least half of its strings are tags of entities."""
        return 0 < self.strings <= 2 * self.in_scheme and self.outside < self.in_scheme

    @property
    def parts_of_speech(self) -> bool:
        """Whether most of its strings are parts of speech."""
        return not self.entities and self.strings < 2 * self.known

    def may_hold(self, wanted: Wanted) -> bool:
        """Whether its strings, if it holds some, can be the tags that are wanted."""
        if wanted == "words":
            return not self.entities
        return wanted is None or not self.strings or 2 * self.in_scheme >= self.strings


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


def _tags(path: Path, where: str, raw: Sequence[Any], name: str, records: Records, wanted: Wanted) -> list[str]:
    """Tags as strings: ids by their names."""
    seen = [visible(tag).strip() if isinstance(tag, str) else tag for tag in raw]
    if not all(type(tag) is int or (isinstance(tag, str) and tag.isdigit()) for tag in seen):
        if any(not isinstance(tag, str) or not tag or not tag.isprintable() for tag in seen):
            raise DataError(f"{where}: a tag in {name} is neither a string nor an id: {str(list(raw))[:60]}.")
        return seen
    if name not in records.names:
        records.names[name] = _names_beside(path, name, wanted)
    return [name_of(where, name, int(tag), records.names[name]) for tag in seen]


def _names_beside(path: Path, name: str, wanted: Wanted) -> tuple[str, ...]:
    if names := names_in_info(path.parent, name) or label_names(path.parent):
        if wanted == "words" and all(map(looks_like_tag, names)):
            raise DataError(f"{path}: {name} holds ids, and the names beside the file ({', '.join(names)[:60]}) are "
                            "tags of entities; put those of its own ids there.")  # fmt: skip
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
