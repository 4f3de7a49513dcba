"""What there is to know of a language's data before training: labels, lengths, and how an encoder cuts its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    """Of one split. Lengths are in words; of a text, in what stands between spaces."""

    examples: int
    labels: dict[str, int]
    """How often each label, most frequent first: a word's tag, or a text's class."""
    mean_length: float
    median_length: float
    longest: int
    subwords_per_word: float
    unknown_subwords: float
    """The share of subwords that the encoder's tokenizer does not know."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def describe(dataset: Dataset, task: Task, language: str, tokenizer: Any) -> dict[str, SplitStatistics]:
    """The statistics of every split that the dataset has of a language. Raises DataError if it has none."""
    language = dataset.spelling(language)
    found, problems = {}, []
    for split in SPLITS:
        try:
            found[split] = statistics(dataset.load(task, language, split), tokenizer)
        except MissingSplitError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return found


def statistics(examples: Sequence[Example], tokenizer: Any) -> SplitStatistics:
    """Counts over examples; the tokenizer's special tokens are left out. Raises DataError if there are none."""
    if not examples:
        raise DataError("data: no examples with labels that the task has a use for.")
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
    """How many subwords, and how many of them unknown."""
    total = unknown = 0
    for start in range(0, len(words), _CHUNK):
        encoding = tokenizer(words[start : start + _CHUNK], is_split_into_words=True, add_special_tokens=False,
                             verbose=False)  # fmt: skip
        for ids in encoding["input_ids"]:
            total += len(ids)
            unknown += ids.count(tokenizer.unk_token_id)
    return total, unknown
