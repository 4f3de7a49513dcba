"""Check the tags of a file's sentences, and convert those of entities to BIO."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xltransfer.data.readers.words.roles import Wanted
from xltransfer.data.schemes import NAMES, Scheme, UnknownSchemeError, looks_like_tag, named, recognise, to_bio
from xltransfer.errors import DataError, unknown

TagCheck = Callable[[str], str | None]
Where = Callable[[int, int], str]
"""Names the place of a tag (sentence and word, from 0) in a file."""


def bio_or_checked(
    tags: Sequence[list[str]], where: Where, check_tag: TagCheck, wanted: Wanted, told: str | None
) -> tuple[Sequence[list[str]], Scheme | None, int]:
    """Return checked tags, in BIO if entities are wanted, with their scheme and the number of tags that changed.

    `told` names the scheme if it is not to be recognised. Raises DataError for a tag of no scheme, or of another one.
    """
    if wanted != "entities":
        _check(tags, where, check_tag)
        return tags, None, 0
    scheme = _told(told) or _recognised(tags, where, check_tag)
    converted = [to_bio(sentence, scheme) for sentence in tags]
    _check(converted, where, check_tag)
    changed = sum(old != new for pair in zip(tags, converted, strict=True) for old, new in zip(*pair, strict=True))
    return converted, scheme, changed


def _told(name: str | None) -> Scheme | None:
    if name is None:
        return None
    if (scheme := named(name)) is None:
        raise DataError(unknown("scheme", name, NAMES) + " With -suffix for tags such as PER-B.")
    return scheme


def _recognised(tags: Sequence[list[str]], where: Where, check_tag: TagCheck) -> Scheme:
    try:
        return recognise(tags)
    except UnknownSchemeError as error:
        raw = ", or if each run of one type is an entity: --data-opt scheme=raw"
        for number, sentence in enumerate(tags):
            for place, tag in enumerate(sentence):
                if not looks_like_tag(tag):
                    raise DataError(f"{where(number, place)}: {check_tag(tag) or f'tag {tag[:60]!r} is of no scheme.'}"
                                    f" Correct it{raw}.") from error  # fmt: skip
        if not error.breaks:
            raise DataError(f"{where(0, 0).rpartition(':')[0]}: the letters of its tags are of no one scheme; allowed: "
                            f"{', '.join(NAMES)}.") from error  # fmt: skip
        faults = "; ".join(
            f"as {one.scheme.title}, {where(one.sentence, one.place)} has {one.received} for {one.expected}"
            for one in error.breaks[:2]
        )
        raise DataError(f"{where(0, 0).rpartition(':')[0]}: its tags fit no scheme: {faults}. Correct the file, or say "
                        f"which it is: --data-opt scheme={error.breaks[0].scheme.title}.") from error  # fmt: skip


def _check(tags: Sequence[list[str]], where: Where, check_tag: TagCheck) -> None:
    allowed: set[str] = set()
    for number, sentence in enumerate(tags):
        for place, tag in enumerate(sentence):
            if tag not in allowed:
                if problem := check_tag(tag):
                    raise DataError(f"{where(number, place)}: {problem}")
                allowed.add(tag)
