"""Statistics of a language's data: labels, lengths, and how the encoder's tokenizer splits its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.errors import DataError, MissingSplitError

if TYPE_CHECKING:
    from xltransfer.tasks.base import Task

_CHUNK = 1000


@dataclass(frozen=True)
class SplitStatistics:
    """Statistics of one split. Lengths are in words, separated by white space in texts."""

    examples: int
    labels: dict[str, int]
    """Counts of tags or of texts' labels, most frequent first."""
    mean_length: float
    median_length: float
    longest: int
    subwords_per_word: float
    unknown_subwords: float
    """The share of subwords that are the unknown token."""

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values."""
        return asdict(self)


def each_split(dataset: Dataset, task: Task, language: str) -> Iterator[tuple[str, list[Example]]]:
    """Load and yield every split that a language has, in the order of `SPLITS`. Raises DataError if it has none."""
    language = dataset.spelling(language)
    problems: list[MissingSplitError] = []
    for split in SPLITS:
        try:
            yield split, dataset.load(task, language, split)
        except MissingSplitError as error:
            problems.append(error)
    if len(problems) == len(SPLITS):
        raise problems[0]


def statistics(examples: Sequence[Example], tokenizer: Any) -> SplitStatistics:
    """Compute the statistics of examples, without special tokens. Raises DataError if there are no examples."""
    if not examples:
        raise DataError("data: no examples with labels of the task.")
    labels: Counter[str] = Counter()
    for example in examples:
        labels.update(example.tags if isinstance(example, TaggedSentence) else [example.label])
    words = [_words(example) for example in examples]
    lengths = [len(sentence) for sentence in words]
    subwords, unknown = _subwords(words, tokenizer)
    return SplitStatistics(
        len(examples), dict(labels.most_common()), mean(lengths), median(lengths), max(lengths),
        subwords / max(1, sum(lengths)), unknown / max(1, subwords),
    )  # fmt: skip


def _words(example: Example) -> list[str]:
    return list(example.words) if isinstance(example, TaggedSentence) else example.text.split()


def _subwords(words: Sequence[list[str]], tokenizer: Any) -> tuple[int, int]:
    """Count all subwords and the unknown ones."""
    total = unknown = 0
    for start in range(0, len(words), _CHUNK):
        encoding = tokenizer(words[start : start + _CHUNK], is_split_into_words=True, add_special_tokens=False,
                             verbose=False)  # fmt: skip
        for ids in encoding["input_ids"]:
            total += len(ids)
            unknown += ids.count(tokenizer.unk_token_id)
    return total, unknown
