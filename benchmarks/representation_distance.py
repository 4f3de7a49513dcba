"""Do the measures of `xlt analyze` rise with the distance between synthetic languages?

    python benchmarks/representation_distance.py --json benchmarks/results/representation-distance.json \\
        --plot benchmarks/results/representation-distance.svg

Sentences of the source language and of targets at distances 0 to 1, in the embedded encoder as it is shipped. Sets are
of different sentences; linear CKA compares translations of the same ones. Spearman's rank correlation with the distance
says how monotonic a measure is.
"""

from __future__ import annotations

import argparse
import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr
from torch import Tensor

from xltransfer.analysis.distance import distances, linear_cka
from xltransfer.analysis.vectors import Setting, sentence_vectors
from xltransfer.data.batching import Collator, Encoded
from xltransfer.data.synthetic_grammar import Grammar
from xltransfer.data.synthetic_language import Language
from xltransfer.durable import write_json
from xltransfer.encoders.loading import EncoderFiles, load_learner, open_encoder

LEVELS = [level / 10 for level in range(11)]
LAYERS = (0, 1, 2, 3, 4)
FALLING = ("neighbour_overlap", "cka")
"""Likenesses: they fall with the distance."""


def encoded(encoder: EncoderFiles, distance: float, sentences: int, seed: str) -> list[Encoded]:
    """Statements in the language at that distance; one seed gives translations."""
    grammar, language = Grammar(random.Random(seed)), Language(distance)
    texts = [" ".join(language.render(grammar.statement())[0]) for _ in range(sentences)]
    return [
        Encoded({name: encoder.tokenizer(text)[name] for name in ("input_ids", "attention_mask")}, 0) for text in texts
    ]


def measured(sentences: int) -> dict[str, Any]:
    """By layer and measure: a value for each of `LEVELS`, and the rank correlation with them."""
    encoder = open_encoder("tiny")
    learner = load_learner(encoder, "AutoModelForTokenClassification", ("O", "B"), (0,), None, 0)
    special = frozenset(encoder.tokenizer.all_special_ids)
    setting = Setting(LAYERS, (0,), Collator(encoder.padding), special, nullcontext)

    def vectors(distance: float, seed: str) -> dict[int, Tensor]:
        return sentence_vectors(learner, encoded(encoder, distance, sentences, seed), setting)

    source = vectors(0.0, "source")
    values: dict[int, dict[str, list[float]]] = {layer: {} for layer in LAYERS}
    for level in LEVELS:
        target, translated = vectors(level, "target"), vectors(level, "source")
        for layer in LAYERS:
            found = {name: one.value for name, one in distances(source[layer], target[layer], 0).items()}
            for name, value in {**found, "cka": linear_cka(source[layer], translated[layer])}.items():
                values[layer].setdefault(name, []).append(value)
    ranks = {layer: {name: float(spearmanr(LEVELS, several).statistic) for name, several in of.items()}
             for layer, of in values.items()}  # fmt: skip
    return {"sentences": sentences, "levels": LEVELS, "values": values, "rank_correlation": ranks}


def draw(found: dict[str, Any], file: Path) -> None:
    """A small chart a measure, a line a layer."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "xltransfer"
    from matplotlib import pyplot

    names = list(found["values"][LAYERS[0]])
    figure, axes = pyplot.subplots(2, 4, figsize=(12, 5), constrained_layout=True)
    for axis, name in zip(axes.flat, names, strict=False):
        for layer in LAYERS:
            axis.plot(LEVELS, found["values"][layer][name], label=f"layer {layer}", marker=".")
        axis.set_title(name.replace("_", " ") + (" (a likeness)" if name in FALLING else ""), fontsize=10)
        axis.set_xlabel("distance of the language")
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center")
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Print, write and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.sentences)
    for layer, ranks in found["rank_correlation"].items():
        print(layer, {name: round(rank, 2) for name, rank in ranks.items()})
    if arguments.json:
        write_json(arguments.json, found)
    if arguments.plot:
        draw(found, arguments.plot)


if __name__ == "__main__":
    main()
