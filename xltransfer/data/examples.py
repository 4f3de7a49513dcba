"""Examples: tagged sentences and labelled texts, as returned by readers and used by tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words with one tag each. `id` is the file and the line where the sentence starts."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text with one label. `scale` is the kind of label: stars, polarity, binary or name."""

    id: str
    text: str
    label: str
    scale: str = "name"


Example = TaggedSentence | LabelledText
Examples = Sequence[TaggedSentence] | Sequence[LabelledText]


def content(example: Example) -> str:
    """Return the text of an example, or its words joined by spaces. Examples with equal content are duplicates."""
    return " ".join(example.words) if isinstance(example, TaggedSentence) else example.text
