"""Find problems in data sets: duplicates, overlaps between sets, sets with one label, tags that are not BIO.

It takes one pass over the sentences, fast enough for the start of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, groupby, zip_longest
from typing import TYPE_CHECKING, Any

from xltransfer.data.examples import Example, TaggedSentence, content

if TYPE_CHECKING:
    from xltransfer.tasks.base import Task

KINDS = {
    "empty": "sets without a sentence",
    "one-label": "sets with a single label, which cannot be used for training or evaluation",
    "not-bio": "I- tags that do not continue an entity of their type; they count as its first tag",
    "duplicates": "sentences that repeat an earlier one of their set",
    "in-two-splits": "sentences in two splits of the target",
    "source-in-target": "source sentences in the target's dev or test set",
}
"""The kinds of findings and what they count."""
_MAX_CHARACTERS = 60


@dataclass(frozen=True)
class Finding:
    """A problem: `count` sentences, sets or tags of a `kind` in one or two sets (`where`), and the first of them."""

    kind: str
    where: str
    count: int
    id: str = ""
    example: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)

    def line(self) -> str:
        """Return the finding as one line of text."""
        first = f", first {self.id}: {self.example!r}" if self.id else ""
        return f"{self.where}: {self.count} {KINDS[self.kind]}{first}"


def find_data_problems(
    task: Task,
    sources: Mapping[str, Sequence[Example]],
    target: Sequence[Example],
    dev: Sequence[Example],
    test: Sequence[Example],
) -> list[Finding]:
    """Return findings in the order of `KINDS`.

    `sources` are the training sets of the source languages by name; `target`, `dev` and `test` belong to the target
    language. Two sentences are the same if their words, or their texts, are.
    """
    source_sets = {f"source {name}": examples for name, examples in sources.items()}
    target_sets = {"target train": target, "target dev": dev, "target test": test}
    sets = {**source_sets, **target_sets}
    firsts = {name: _firsts(examples) for name, examples in sets.items()}
    found: list[Finding] = []
    for name, examples in sets.items():
        found += _check_labels(task, name, examples)
        found += _check_bio(name, examples)
        found += _check_duplicates(name, examples, firsts[name])
    for kind, pairs in (
        ("in-two-splits", combinations(target_sets, 2)),
        ("source-in-target", ((source, split) for source in source_sets for split in ("target dev", "target test"))),
    ):
        found += [finding for one, other in pairs for finding in _check_overlap(kind, one, other, firsts)]
    return sorted(found, key=lambda finding: list(KINDS).index(finding.kind))


def summary(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield one line per kind, with counts by set and the first example. `findings` are in the order of `KINDS`."""
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        alike = list(group)
        places = ", ".join(f"{finding.where} {finding.count}" for finding in alike)
        first = f"; first {alike[0].id}: {alike[0].example!r}" if alike[0].id else ""
        yield f"data: {KINDS[kind]}: {places}{first}. 'xlt data check' shows one of each."


def _firsts(examples: Sequence[Example]) -> dict[str, Example]:
    """Map each content to its first sentence, in order."""
    firsts: dict[str, Example] = {}
    for example in examples:
        firsts.setdefault(content(example), example)
    return firsts


def _check_labels(task: Task, name: str, examples: Sequence[Example]) -> list[Finding]:
    if not examples:
        return [Finding("empty", name, 1)]
    labels = task.label_set(examples)
    if task.kind == "tagging":  # the label set of NER always has O and both prefixes
        labels = sorted({tag for tags in task.gold(examples) for tag in tags})
    return [Finding("one-label", name, 1, examples[0].id, labels[0])] if len(labels) == 1 else []


def _check_bio(name: str, examples: Sequence[Example]) -> list[Finding]:
    """Find invalid I- tags. Tags without I-, such as parts of speech, give no finding."""
    count, first, shown = 0, "", ""
    for example in examples:
        if not isinstance(example, TaggedSentence):
            break
        for before, tag in zip(("O", *example.tags), example.tags, strict=False):
            if tag.startswith("I-") and before not in (tag, f"B-{tag[2:]}"):
                count += 1
                first, shown = (first, shown) if first else (example.id, f"{tag} after {before}")
    return [Finding("not-bio", name, count, first, shown)] if count else []


def _check_duplicates(name: str, examples: Sequence[Example], firsts: Mapping[str, Example]) -> list[Finding]:
    count = len(examples) - len(firsts)
    if not count:
        return []
    in_order = zip_longest(examples, firsts.values())  # the first difference is the first repeated sentence
    return [_finding("duplicates", name, count, next(example for example, first in in_order if example != first))]


def _check_overlap(kind: str, one: str, other: str, firsts: Mapping[str, Mapping[str, Example]]) -> list[Finding]:
    both = [example for text, example in firsts[other].items() if text in firsts[one]]
    return [_finding(kind, f"{one} and {other}", len(both), both[0])] if both else []


def _finding(kind: str, where: str, count: int, example: Example) -> Finding:
    text = content(example)
    return Finding(
        kind, where, count, example.id, text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
    )
