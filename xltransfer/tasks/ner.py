"""Named entities in BIO tags, scored by entity F1 as seqeval (and so conlleval) counts it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from xltransfer.data.batching import Encoded
from xltransfer.data.examples import Example
from xltransfer.data.schemes import BIO, from_bio
from xltransfer.tasks.base import Scores
from xltransfer.tasks.decoding import Transitions, bio_transitions, viterbi
from xltransfer.tasks.tagging import LongSentences, Tagging

_BIO = re.compile(r"^(O|[BI]-\S+)$")


class NER(Tagging):
    """Entity recognition; words cut off count as O."""

    metric = "f1"
    decoding: Literal["constrained", "argmax"] = "constrained"
    tags_of_what = "entities"
    cut_tag = "O"

    def __init__(
        self,
        *,
        long: LongSentences = "cut",
        decoding: Annotated[
            Literal["constrained", "argmax"],
            "constrained: the likeliest sequence of tags that BIO allows; argmax: each word's likeliest tag",
        ] = "constrained",
    ) -> None:
        super().__init__(long=long)
        self.decoding = decoding

    def decode(self, logits: Tensor, sentences: Sequence[Encoded], labels: Sequence[str]) -> list[list[str]]:
        """See `Task.decode`. The first tag of a piece may continue an entity of the piece before."""
        if self.decoding == "argmax":
            return super().decode(logits, sentences, labels)
        kept = [[position for position in sentence.words if position >= 0] for sentence in sentences]
        most = max(1, *map(len, kept))
        places = torch.tensor([[*row, *[0] * (most - len(row))] for row in kept], device=logits.device)
        scores = logits.float().gather(1, places.unsqueeze(2).expand(-1, -1, logits.shape[2]))
        lengths = torch.tensor([max(1, len(row)) for row in kept], device=logits.device)
        inside = torch.tensor([sentence.continues for sentence in sentences])
        best = viterbi(scores, lengths, self.transitions(labels), inside).tolist()
        return [
            self._with_cut_words([labels[index] for index in row[: len(positions)]], sentence)
            for row, positions, sentence in zip(best, kept, sentences, strict=True)
        ]

    def transitions(self, labels: Sequence[str]) -> Transitions:
        """What may follow what, and how likely, in constrained decoding: what BIO allows, all of it alike."""
        return bio_transitions(tuple(labels))

    def join(self, pieces: Sequence[Any]) -> list[str]:
        tags = super().join(pieces)
        return tags if self.decoding == "argmax" else from_bio(tags, BIO)  # a piece may begin with I- after O

    def _with_cut_words(self, tags: list[str], sentence: Encoded) -> list[str]:
        """Tags of all words: those that are not in the input have `cut_tag`."""
        given = iter(tags)
        return [next(given) if position >= 0 else self.cut_tag for position in sentence.words]

    def check_label(self, label: str) -> str | None:
        if _BIO.match(label):
            return None
        return f"tag {label[:60]!r} is outside BIO; allowed: O, B-TYPE, I-TYPE."

    def label_set(self, examples: Sequence[Example]) -> list[str]:
        """O, then B and I of every entity type found."""
        types = sorted({tag[2:] for tag in self.tags_of(examples) if tag != "O"})
        return ["O", *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]

    def score(self, gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> Scores:
        """Entity precision, recall and F1, micro-averaged; accuracy over words."""
        from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

        with warnings.catch_warnings():  # seqeval warns where nothing is predicted; the score is 0 then
            warnings.simplefilter("ignore")
            scores = [measure(gold, predicted) for measure in (f1_score, precision_score, recall_score, accuracy_score)]
        return Scores(*map(float, scores))
