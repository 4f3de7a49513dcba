"""What readers produce and tasks consume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words with one tag each; `id` is the file and the line it starts at."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text with one label; `scale` says how to read the label: stars, polarity, binary or name."""

    id: str
    text: str
    label: str
    scale: str = "name"


Example = TaggedSentence | LabelledText
Examples = Sequence[TaggedSentence] | Sequence[LabelledText]


def content(example: Example) -> str:
    """What makes two examples the same sentence: the words, or the text. Labels do not count."""
    return " ".join(example.words) if isinstance(example, TaggedSentence) else example.text
