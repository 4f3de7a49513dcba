"""Report the sizes and problems of a published split: missing entries, repeated texts, texts in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from xltransfer.datasets.published.splits import RebuiltSplit


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split. `entries` = `texts` + `none` + `unlabelled`; `repeated_*` exclude a text's first entry."""

    split: str
    texts: int
    labels: dict[str, int]
    entries: int
    none: int
    unlabelled: int
    moved: tuple[str, ...]
    """Ids of rows without a label, replaced by a later row with the same text."""
    repeated_rows: int
    repeated_texts: int
    """At least `repeated_rows`: different rows may hold the same text."""
    repeated_ids: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """Texts and rows in both of two splits, each counted once. `ids` are those of the second split."""

    splits: tuple[str, str]
    rows: int
    texts: int
    contradicting: int
    """Shared texts whose labels differ."""
    ids: tuple[str, ...]


@dataclass(frozen=True)
class SplitReport:
    """The splits of a corpus and the overlap of each pair."""

    corpus: str
    splits: tuple[SplitSummary, ...]
    overlaps: tuple[Overlap, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the report as lines of text."""
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
                    f"{_first_ids(part.repeated_ids)}"
                )
        for pair in self.overlaps:
            found = (
                f"{pair.texts} texts, {pair.rows} of them as the same row, {pair.contradicting} with different labels: "
                f"{_first_ids(pair.ids)}"
            )
            yield f"{' and '.join(pair.splits)} share {found if pair.texts else 'no text'}"


def report_splits(corpus: str, parts: Sequence[RebuiltSplit]) -> SplitReport:
    """Report on the rebuilt splits of a corpus."""
    overlaps = tuple(_overlap(first, second) for first, second in combinations(parts, 2))
    return SplitReport(corpus, tuple(_summarise(part) for part in parts), overlaps)


def _summarise(part: RebuiltSplit) -> SplitSummary:
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


def _first_ids(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
