"""Test whether the measures of `xlt analyze` rise with the distance between synthetic languages.

    python benchmarks/representation_distance.py --json benchmarks/results/representation-distance.json \\
        --plot benchmarks/results/representation-distance.svg

Sentences of the source language and of targets at distances 0 to 1, in the embedded encoder as it is shipped. Sets are
of different sentences; linear CKA compares translations of the same ones. Values are means over several draws of the
sentences; Spearman's rank correlation with the distance says how monotonic a measure is.

An encoder that has seen the source alone, so that nothing but the language's distance makes it foreign:

    python -m xltransfer.encoders.pretraining --language base --steps 1500 --output runs/pretrained-on-base
    python benchmarks/representation_distance.py --encoder runs/pretrained-on-base \\
        --json benchmarks/results/representation-distance-source-only.json \\
        --plot benchmarks/results/representation-distance-source-only.svg
"""

from __future__ import annotations

import argparse
import random
import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import altair as alt
from scipy.stats import spearmanr
from torch import Tensor

from xltransfer.analysis.distance import distances, linear_cka
from xltransfer.analysis.vectors import Setting, sentence_vectors
from xltransfer.data.batching import Collator, Encoded
from xltransfer.datasets.synthetic.grammar import Grammar
from xltransfer.datasets.synthetic.language import Language
from xltransfer.encoders.loading import EncoderFiles, load_learner, open_encoder
from xltransfer.utils.files import write_json
from xltransfer.utils.pictures import save

LEVELS = [level / 10 for level in range(11)]
LAYERS = (0, 1, 2, 3, 4)
FALLING = ("neighbour_overlap", "cka")
"""Likenesses: they fall with the distance."""
LENGTHS = ("hausdorff", "hausdorff_average", "hausdorff_95", "centroid")


def encoded(encoder: EncoderFiles, distance: float, sentences: int, seed: str) -> list[Encoded]:
    """Statements in the language at that distance; one seed gives translations."""
    grammar, language = Grammar(random.Random(seed)), Language(distance)
    texts = [" ".join(language.render(grammar.statement())[0]) for _ in range(sentences)]
    return [
        Encoded({name: fields[name] for name in ("input_ids", "attention_mask")}, 0)
        for fields in (encoder.tokenizer(text, truncation=True) for text in texts)
    ]


Values = dict[int, dict[str, list[float]]]
"""By layer and measure, for each of `LEVELS`."""


def measured(name: str, sentences: int, draws: int) -> dict[str, Any]:
    """Means over the draws, and their rank correlation with the distance."""
    each = [of_one_draw(name, sentences, draw) for draw in range(draws)]
    values: Values = {
        layer: {
            measure: [statistics.mean(several) for several in zip(*(one[layer][measure] for one in each), strict=True)]
            for measure in of
        }
        for layer, of in each[0].items()
    }
    ranks = {layer: {measure: float(spearmanr(LEVELS, several).statistic) for measure, several in of.items()}
             for layer, of in values.items()}  # fmt: skip
    return {"sentences": sentences, "draws": draws, "levels": LEVELS, "values": values, "rank_correlation": ranks}


def of_one_draw(name: str, sentences: int, draw: int) -> Values:
    """The measures between sets of `sentences` sentences, in the encoder of that name or folder."""
    encoder = open_encoder(name)
    learner = load_learner(encoder, "AutoModelForTokenClassification", ("O", "B"), (0,), None, 0)
    special = frozenset(encoder.tokenizer.all_special_ids)
    setting = Setting(LAYERS, (0,), Collator(encoder.padding), special, nullcontext)

    def vectors(distance: float, seed: str) -> dict[int, Tensor]:
        return sentence_vectors(learner, encoded(encoder, distance, sentences, seed), setting)

    source = vectors(0.0, f"source/{draw}")
    values: Values = {layer: {} for layer in LAYERS}
    for level in LEVELS:
        target, translated = vectors(level, f"target/{draw}"), vectors(level, f"source/{draw}")
        for layer in LAYERS:
            found = {name: one.value for name, one in distances(source[layer], target[layer], 0).items()}
            for name, value in {**found, "cka": linear_cka(source[layer], translated[layer])}.items():
                values[layer].setdefault(name, []).append(value)
    return values


def plot(found: dict[str, Any], file: Path) -> None:
    """Draw a small chart a measure, a line a layer."""
    panels = []
    for name in found["values"][LAYERS[0]]:
        values = [
            {"distance": level, "value": value, "layer": f"layer {layer}"}
            for layer in LAYERS for level, value in zip(LEVELS, found["values"][layer][name], strict=True)
        ]  # fmt: skip
        scale = alt.Scale(type="log") if name in LENGTHS else alt.Scale(zero=False)
        title = name.replace("_", " ") + (" (a likeness)" if name in FALLING else "")
        panels.append(alt.Chart(alt.InlineData(values=values)).mark_line(point=True).encode(
            alt.X("distance:Q", title="distance of the language"), alt.Y("value:Q", title=None, scale=scale),
            alt.Color("layer:N"),
        ).properties(width=190, height=150, title=title))  # fmt: skip
    save(alt.concat(*panels, columns=4), file)


def main() -> None:
    """Print, write and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--encoder", default="tiny")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.encoder, arguments.sentences, arguments.draws)
    for layer, ranks in found["rank_correlation"].items():
        print(layer, {name: round(rank, 2) for name, rank in ranks.items()})
    if arguments.json:
        write_json(arguments.json, found)
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
