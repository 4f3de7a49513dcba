"""Entity mentions: NER with all types made one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.tasks.ner import NER


class Mentions(NER):
    """Reads NER data; every entity is of one type. `ignore` leaves types out altogether."""

    def __init__(self, *, ignore: Annotated[str, "types that count as no entity, as in DATE,MISC"] = "") -> None:
        self.ignored = frozenset(filter(None, ignore.split(",")))

    def prepare(self, examples: Sequence[Example]) -> list[Example]:
        """See `Task.prepare`."""
        return [
            dataclasses.replace(example, tags=tuple(map(self._merged, example.tags)))
            for example in examples
            if isinstance(example, TaggedSentence)
        ]

    def _merged(self, tag: str) -> str:
        return "O" if tag == "O" or tag[2:] in self.ignored else f"{tag[0]}-ENT"
