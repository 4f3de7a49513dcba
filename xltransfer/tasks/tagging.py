"""Base class of tagging tasks: labels at first subwords, losses over words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor

from xltransfer.data.batching import IGNORED, Encoded
from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.data.windows import split_into_windows
from xltransfer.tasks.base import Task, cross_entropies, cross_entropy

_FIELDS = {"input_ids": "ids", "token_type_ids": "type_ids", "attention_mask": "attention_mask"}
"""What models call the parts of an encoding of `tokenizers`."""


LongSentences = Annotated[
    Literal["cut", "window"],
    "sentences longer than max_length; cut: their end is lost; window: tagged in pieces, one after another",
]


class Tagging(Task):
    """One tag a word, predicted at the word's first subword."""

    kind = "tagging"
    auto_class = "AutoModelForTokenClassification"
    tags_of_what: ClassVar[Literal["entities", "words"] | None] = None
    """What the tags stand for: entities (any scheme, read as BIO), words (parts of speech), or whatever a file has."""
    cut_tag: ClassVar[str]
    """The tag of words that truncation removed."""
    long: Literal["cut", "window"] = "cut"

    def __init__(
        self,
        *,
        long: LongSentences = "cut",
    ) -> None:
        self.long = long

    def encode(
        self, examples: Sequence[Example], labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> list[Encoded]:
        """See `Task.encode`. Special tokens, truncation and word positions are the tokenizer's own.

        A word that vanishes in tokenisation, such as a zero-width space, counts as unknown: it keeps its place and tag.
        """
        if not examples:
            return []
        sentences = [_tagged(example) for example in examples]
        continues = [False] * len(sentences)
        if self.long == "window":
            sentences, continues = split_into_windows(sentences, tokenizer, max_length)
        encodings = _tokenized(tokenizer, [sentence.words for sentence in sentences], max_length)
        wanted = (*tokenizer.model_input_names, "attention_mask")
        fields = {name: field for name, field in _FIELDS.items() if name in wanted}
        ids = {label: index for index, label in enumerate(labels)}
        encoded = []
        for sentence, encoding, continued in zip(sentences, encodings, continues, strict=True):
            first = _first_subwords(encoding, len(sentence.words))
            if -1 in first and (vanished := _vanished(encoding, first)) and tokenizer.unk_token:
                words = [tokenizer.unk_token if n in vanished else word for n, word in enumerate(sentence.words)]
                (encoding,) = _tokenized(tokenizer, [words], max_length)
                first = _first_subwords(encoding, len(words))
            features = {name: getattr(encoding, field) for name, field in fields.items()}
            tags = [IGNORED] * len(encoding)
            for position, tag in zip(first, sentence.tags, strict=True):
                if position >= 0:
                    tags[position] = ids.get(tag, IGNORED)
            encoded.append(Encoded(features, tags, first, continues=continued))
        return encoded

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Task.loss`: the mean over words."""
        return cross_entropy(logits.flatten(0, 1), labels.flatten())

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `Task.losses`: (batch, time)."""
        return cross_entropies(logits, labels)

    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> list[list[str]]:
        best = logits.argmax(-1).tolist()
        return [
            [labels[row[position]] if position >= 0 else self.cut_tag for position in sentence.words]
            for row, sentence in zip(best, sentences, strict=True)
        ]

    def join(self, pieces: Sequence[Any]) -> list[str]:
        return [tag for piece in pieces for tag in piece]

    def gold(self, examples: Sequence[Example]) -> list[list[str]]:
        return [list(_tagged(example).tags) for example in examples]

    def majority(self, train: Sequence[Example], test: Sequence[Example]) -> list[list[str]]:
        counts = Counter(tag for example in train for tag in _tagged(example).tags)
        most = min(counts, key=lambda tag: (-counts[tag], tag))
        return [[most] * len(_tagged(example).words) for example in test]

    def tags_of(self, examples: Sequence[Example]) -> list[str]:
        """All tags of a set, sorted."""
        return sorted(set(chain.from_iterable(_tagged(example).tags for example in examples)))


def _tagged(example: Example) -> TaggedSentence:
    assert isinstance(example, TaggedSentence)
    return example


def _tokenized(tokenizer: Any, words: Sequence[Sequence[str]], max_length: int) -> list[Any]:
    """As `tokenizer(words, is_split_into_words=True, truncation=True)`, without its copies of what we do not need."""
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    backend.no_padding()
    found: list[Any] = backend.encode_batch([list(sentence) for sentence in words], is_pretokenized=True)
    return found


def _first_subwords(encoding: Any, count: int) -> tuple[int, ...]:
    """Position of each word's first subword, -1 for a word without one."""
    words = encoding.word_ids
    last_kept = dict(zip(reversed(words), range(len(words) - 1, -1, -1), strict=True))
    return tuple(map(last_kept.get, range(count), repeat(-1)))


def _vanished(encoding: Any, first: Sequence[int]) -> set[int]:
    """Words without a subword that were not truncated."""
    seen = next((n for n in reversed(range(len(first))) if first[n] >= 0), -1) + 1
    within = seen if encoding.overflowing else len(first)
    return {n for n in range(within) if first[n] < 0}
