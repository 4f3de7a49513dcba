"""What a published split holds, and what is odd about it: missing entries, repeated texts, texts in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from xltransfer.datasets.published.splits import RebuiltSplit


@dataclass(frozen=True)
class SplitSummary:
    """One split. `entries` = `texts` + `none` + `unlabelled`; `repeated_*` count entries after a text's first."""

    split: str
    texts: int
    labels: dict[str, int]
    entries: int
    none: int
    unlabelled: int
    moved: tuple[str, ...]
    """Rows without a label for which a later row with the same text is taken."""
    repeated_rows: int
    repeated_texts: int
    """At least `repeated_rows`: different rows may hold the same text."""
    repeated_ids: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """Texts and rows that two splits share, each counted once; `ids` are those of the second split."""

    splits: tuple[str, str]
    rows: int
    texts: int
    contradicting: int
    """Shared texts whose labels differ."""
    ids: tuple[str, ...]


@dataclass(frozen=True)
class SplitReport:
    """A corpus's splits and each pair's overlap."""

    corpus: str
    splits: tuple[SplitSummary, ...]
    overlaps: tuple[Overlap, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The report as text, a line for each finding."""
        for part in self.splits:
            labels = ", ".join(f"{count} {label}" for label, count in part.labels.items())
            yield f"{part.split}: {part.texts} texts of {part.entries} entries ({labels})"
            for count, what in ((part.none, "None"), (part.unlabelled, "a text without a label, left out")):
                if count:
                    yield f"  {count} {'entry is' if count == 1 else 'entries are'} {what}"
            if part.moved:
                yield f"  {len(part.moved)} stand for a later row with the same text: {', '.join(part.moved)}"
            if part.repeated_texts:
                yield (
                    f"  {part.repeated_texts} repeat an earlier text, {part.repeated_rows} of them the same row: "
                    f"{_some(part.repeated_ids)}"
                )
        for pair in self.overlaps:
            found = (
                f"{pair.texts} texts, {pair.rows} of them as the same row, {pair.contradicting} with different labels: "
                f"{_some(pair.ids)}"
            )
            yield f"{' and '.join(pair.splits)} share {found if pair.texts else 'no text'}"


def report(corpus: str, parts: Sequence[RebuiltSplit]) -> SplitReport:
    """The report of a corpus's rebuilt splits."""
    overlaps = tuple(_overlap(first, second) for first, second in combinations(parts, 2))
    return SplitReport(corpus, tuple(_summary(part) for part in parts), overlaps)


def _summary(part: RebuiltSplit) -> SplitSummary:
    seen: set[str] = set()
    repeated = []
    for example in part.examples:
        if example.text in seen:
            repeated.append(example.id)
        seen.add(example.text)
    labels = Counter(example.label for example in part.examples)
    return SplitSummary(
        split=part.section.split,
        texts=len(part.examples),
        labels={label: labels[label] for label in sorted(labels)},
        entries=len(part.section.entries),
        none=part.none,
        unlabelled=part.unlabelled,
        moved=part.moved,
        repeated_rows=len(part.examples) - len({example.id for example in part.examples}),
        repeated_texts=len(repeated),
        repeated_ids=tuple(repeated),
    )


def _overlap(first: RebuiltSplit, second: RebuiltSplit) -> Overlap:
    labels = {example.text: example.label for example in first.examples}
    shared = {example.text: example for example in second.examples if example.text in labels}
    rows = {example.id for example in first.examples} & {example.id for example in second.examples}
    return Overlap(
        splits=(first.section.split, second.section.split),
        rows=len(rows),
        texts=len(shared),
        contradicting=sum(example.label != labels[text] for text, example in shared.items()),
        ids=tuple(example.id for example in shared.values()),
    )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
