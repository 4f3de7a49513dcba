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
    """A text, or a pair of texts, with one label. `scale` is the kind of label: stars, polarity, binary or name."""

    id: str
    text: str
    label: str
    scale: str = "name"
    second: str | None = None
    """The second text of a pair."""

    @property
    def shown(self) -> str:
        """The text, or both with a tab between."""
        return self.text if self.second is None else f"{self.text}\t{self.second}"


Example = TaggedSentence | LabelledText
Examples = Sequence[TaggedSentence] | Sequence[LabelledText]


def content(example: Example) -> str:
    """Return the text of an example, or its words joined by spaces. Examples with equal content are duplicates."""
    return " ".join(example.words) if isinstance(example, TaggedSentence) else example.shown
