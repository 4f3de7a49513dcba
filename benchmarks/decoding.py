"""What constrained decoding costs and gains: the same trained models, predicted with it and without.

    python benchmarks/decoding.py runs/RUN [...] --json benchmarks/results/decoding.json

Each run is a finished run of task ner. Its test split is predicted alternately in both ways, in one process. The gain
is of entity F1; the share is that of decoding in the time of a prediction, a median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from xltransfer.config import RunConfig
from xltransfer.tasks.ner import NER
from xltransfer.training.data.reading import open_dataset
from xltransfer.training.trained_model import TrainedModel
from xltransfer.utils.timing import seconds_of

WAYS: tuple[Literal["argmax"], Literal["constrained"]] = ("argmax", "constrained")


def measure(run: Path, repeats: int) -> dict[str, Any]:
    """Return entity F1 of both ways of decoding, and the share of each in the time of predicting."""
    model = TrainedModel.load(run)
    config = RunConfig.from_yaml(run / "config.yaml")
    task = model.task
    assert isinstance(task, NER)
    examples = open_dataset(config).load(task, str(config.target), "test")
    shares: dict[str, list[float]] = {way: [] for way in WAYS}
    predicted: dict[str, Any] = {}
    for _ in range(repeats):
        for way in WAYS:
            task.decoding = way
            with timed(task) as seconds:
                total = seconds_of(lambda way=way: predicted.update({way: model.predict(examples)}))  # type: ignore[misc]
            shares[way].append(sum(seconds) / total)
    scores = {way: 100 * task.score(task.gold(examples), predicted[way]).f1 for way in WAYS}
    return {"run": run.name, "sentences": len(examples), "f1": scores, "gain": scores["constrained"] - scores["argmax"],
            "share": {way: statistics.median(values) for way, values in shares.items()}}  # fmt: skip


@contextmanager
def timed(task: NER) -> Iterator[list[float]]:
    """Context with the seconds of each call of `decode`."""
    decode, seconds = task.decode, list[float]()

    def called(*arguments: Any) -> Any:
        start = time.perf_counter()
        found = decode(*arguments)
        seconds.append(time.perf_counter() - start)
        return found

    vars(task)["decode"] = called
    try:
        yield seconds
    finally:
        del vars(task)["decode"]


def main() -> None:
    """Measure the runs, print a line each, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = [measure(run, given.repeats) for run in given.runs]
    for one in found:
        shares = one["share"]
        print(f"{one['run']}: F1 {one['f1']['argmax']:.2f} -> {one['f1']['constrained']:.2f} ({one['gain']:+.2f}); "
              f"decoding is {shares['constrained']:.1%} of the time (argmax {shares['argmax']:.1%})")  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
