"""Decode tags as the likeliest sequence that a scheme allows (Viterbi 1967), instead of each word's likeliest tag."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from xltransfer.data.schemes import BIO


@dataclass(frozen=True)
class Transitions:
    """Scores of what follows what: `first` (labels,) of a first label, `then` (labels, labels) from row to column.

    -inf is forbidden; other scores are added to those of the words.
    """

    first: Tensor
    then: Tensor


@cache
def bio_transitions(labels: tuple[str, ...]) -> Transitions:
    """Return the transitions of BIO: I-X follows B-X or I-X alone, and begins no sentence."""
    parts = [BIO.parts(label) or ("", "") for label in labels]
    first = torch.tensor([letter != "I" for letter, _ in parts])
    then = torch.tensor([[letter != "I" or kind == before for letter, kind in parts] for _, before in parts])
    return Transitions(*(torch.where(allowed, 0.0, -torch.inf) for allowed in (first, then)))


def viterbi(scores: Tensor, lengths: Tensor, transitions: Transitions, anywhere: Tensor) -> Tensor:
    """Return the allowed sequences with the largest sums of scores.

    Args:
        scores: (batch, words, labels); logits, which differ from a word's log-probabilities by a constant.
        lengths: (batch,) numbers of words, at least 1; words after them are padding.
        transitions: What is allowed and how likely. Some sequence of each length has to be allowed.
        anywhere: (batch,) whether any label may be the first, at score 0.

    Returns:
        Labels (batch, words); those of padding mean nothing.
    """
    then, first = (part.to(scores.device, scores.dtype) for part in (transitions.then, transitions.first))
    best = scores[:, 0] + torch.where(anywhere.to(scores.device).unsqueeze(1), 0.0, first)
    came_from = []
    itself = torch.arange(scores.shape[2], device=scores.device)
    shortest = int(lengths.min())
    for word in range(1, scores.shape[1]):
        so_far, before = (best.unsqueeze(2) + then).max(1)
        so_far += scores[:, word]
        if word >= shortest:  # sentences that have ended stay as they are
            within = (word < lengths).unsqueeze(1)
            so_far, before = torch.where(within, so_far, best), torch.where(within, before, itself)
        best = so_far
        came_from.append(before)
    path = [best.argmax(1)]
    for before in reversed(came_from):
        path.append(before.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    return torch.stack(path[::-1], 1)
