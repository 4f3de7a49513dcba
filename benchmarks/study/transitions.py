"""Would learned transitions between tags gain? Decode trained models with them, their weight chosen on dev.

    python benchmarks/study/transitions.py RUN [RUN ...]      # appends to benchmarks/results/transitions.jsonl

The transitions are log-shares of tag pairs in the target sentences that the run has learned from, each pair counted
half a time more, so that a weight of 1 is a hidden Markov model's. Models are not trained again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from xltransfer.config import RunConfig
from xltransfer.data.examples import TaggedSentence
from xltransfer.tasks.decoding import Transitions, bio_transitions
from xltransfer.tasks.ner import NER
from xltransfer.training.data.reading import open_dataset
from xltransfer.training.trained_model import TrainedModel

WEIGHTS = (0.0, 0.1, 0.3, 1.0)
RESULTS = Path(__file__).parents[1] / "results" / "transitions.jsonl"


class Weighed(NER):
    """NER, decoded with transitions of several weights at once."""

    def __init__(self, learned: Transitions) -> None:
        super().__init__(long="window")
        self.learned = learned
        self.weight = 0.0

    def transitions(self, labels: Sequence[str]) -> Transitions:
        """What BIO allows, and of that the likelier rather."""
        fixed = bio_transitions(tuple(labels))
        return Transitions(fixed.first + self.weight * self.learned.first, fixed.then + self.weight * self.learned.then)

    def decode(self, logits: Any, sentences: Any, labels: Sequence[str]) -> list[Any]:
        """Tags by each weight, for each sentence."""
        found = []
        for self.weight in WEIGHTS:
            found.append(super().decode(logits, sentences, labels))
        return list(zip(*found, strict=True))

    def join(self, pieces: Sequence[Any]) -> Any:
        """The tags of the pieces by each weight."""
        return [super(Weighed, self).join(part) for part in zip(*pieces, strict=True)]


def learned(sentences: Sequence[TaggedSentence], labels: Sequence[str]) -> Transitions:
    """Log-shares of first tags, and of what follows each tag."""
    first, then = torch.full((len(labels),), 0.5), torch.full((len(labels), len(labels)), 0.5)
    for sentence in sentences:
        places = [labels.index(tag) for tag in sentence.tags]
        first[places[0]] += 1
        for before, after in itertools.pairwise(places):
            then[before, after] += 1
    return Transitions((first / first.sum()).log(), (then / then.sum(1, keepdim=True)).log())


def measured(run: Path) -> dict[str, Any]:
    """F1 on dev and test by weight."""
    config = RunConfig.from_yaml(run / "config.yaml")
    model = TrainedModel.load(run)
    dataset = open_dataset(config)
    ids = set(json.loads((run / "samples.json").read_text(encoding="utf-8"))["target"][str(config.target)])
    splits = {name: dataset.load(model.task, str(config.target), name) for name in ("train", "dev", "test")}
    sample = [one for one in splits["train"] if one.id in ids and isinstance(one, TaggedSentence)]
    model = dataclasses.replace(model, task=Weighed(learned(sample, model.labels)))
    line: dict[str, Any] = {"target": config.target, "method": config.method, "teacher": bool(config.teacher),
                            "seed": config.seed, "sentences": len(sample), "weights": WEIGHTS}  # fmt: skip
    for name in ("dev", "test"):
        gold = model.task.gold(splits[name])
        predicted = model.predict(splits[name])
        line[name] = [round(model.task.score(gold, [one[number] for one in predicted]).f1, 6)
                      for number in range(len(WEIGHTS))]  # fmt: skip
    return line


def main() -> None:
    """Command line."""
    for run in map(Path, sys.argv[1:]):
        line = measured(run)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
