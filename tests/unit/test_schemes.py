"""Tagging schemes: the same entities in every scheme, and no scheme taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xltransfer.data.schemes import (
    BIO,
    NAMES,
    Span,
    UnknownSchemeError,
    from_bio,
    named,
    recognise,
    spans,
    to_bio,
    write,
)

TOUCHING = "B-PER I-PER B-PER O B-LOC B-PER I-PER I-PER B-PER"
WRITTEN = {
    "bio": TOUCHING,
    "iob1": "I-PER I-PER B-PER O I-LOC I-PER I-PER I-PER B-PER",
    "ioe2": "I-PER E-PER E-PER O E-LOC I-PER I-PER E-PER E-PER",
    "ioe1": "I-PER E-PER I-PER O I-LOC I-PER I-PER E-PER I-PER",
    "iobes": "B-PER E-PER S-PER O S-LOC B-PER I-PER E-PER S-PER",
    "bilou": "B-PER L-PER U-PER O U-LOC B-PER I-PER L-PER U-PER",
    "bmes": "B-PER E-PER S-PER O S-LOC B-PER M-PER E-PER S-PER",
    "bmew": "B-PER E-PER W-PER O W-LOC B-PER M-PER E-PER W-PER",
    "iobes-suffix": "PER-B PER-E PER-S O LOC-S PER-B PER-I PER-E PER-S",
    "iob1_": "I_PER I_PER B_PER O I_LOC I_PER I_PER I_PER B_PER",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_entities_in_every_scheme(name: str) -> None:
    tags, bio = WRITTEN[name].split(), TOUCHING.split()
    scheme = recognise([["O", "O"], tags])
    assert scheme.title == name
    assert scheme == named(name)
    assert to_bio(tags, scheme) == bio
    assert from_bio(bio, scheme) == tags


@st.composite
def entities(draw: st.DrawFn) -> list[list[Span]]:
    """Entities of several sentences, often touching."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        place, sentence = 0, []
        one = st.tuples(st.integers(0, 1), st.integers(1, 3), st.sampled_from(["PER", "a-b", "MISC"]))
        for gap, length, kind in draw(st.lists(one, max_size=5)):
            sentence.append((place + gap, place + gap + length, kind))
            place += gap + length
        found.append(sentence)
    return found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(entities(), st.sampled_from(NAMES[:-1]), st.booleans(), st.sampled_from(["", "_"]))
def test_what_is_written_is_read(sentences: list[list[Span]], name: str, suffix: bool, separator: str) -> None:
    scheme = named(name + ("-suffix" if suffix else "") + separator)
    assert scheme is not None
    tags = [write(16, sentence, scheme) for sentence in sentences]
    found = recognise(tags)
    assert [spans(to_bio(row, found), BIO) for row in tags] == sentences


def test_types_without_letters_only_where_told() -> None:
    tags = ["PER", "PER", "O", "LOC", "PER"]
    with pytest.raises(UnknownSchemeError):
        recognise([tags])
    raw = named("raw")
    assert raw is not None
    assert to_bio(tags, raw) == ["B-PER", "I-PER", "O", "B-LOC", "B-PER"]
    assert from_bio(to_bio(tags, raw), raw) == tags


def test_a_corpus_of_no_scheme_says_what_breaks_each() -> None:
    with pytest.raises(UnknownSchemeError) as caught:
        recognise([["O", "B-PER"], ["O", "I-PER"]])
    first = {one.scheme.name: (one.sentence, one.place, one.received, one.expected) for one in caught.value.breaks}
    assert first["bio"] == (1, 1, "I-PER", "B-PER")
    assert first["iob1"] == (0, 1, "B-PER", "I-PER")


def test_one_slip_in_a_hundred_entities_leaves_bio_as_it_stands() -> None:
    slip = ["O", "I-PER", "I-PER"]
    assert recognise([["B-PER"]] * 99 + [slip]) == BIO
    assert to_bio(slip, BIO) == slip
    with pytest.raises(UnknownSchemeError):
        recognise([["B-PER"]] * 98 + [slip])
