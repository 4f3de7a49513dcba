"""Measure representations before and after training: source, transformed source and target."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from xltransfer.analysis.distance import Interval, distances, linear_cka, with_interval
from xltransfer.analysis.projection import check, choose_rows, project
from xltransfer.analysis.vectors import Setting, TokenChanges, sentence_vectors
from xltransfer.analysis.weights import sentence_weights, summary
from xltransfer.config import RunConfig
from xltransfer.data.batching import Collator
from xltransfer.data.examples import content
from xltransfer.encoders.layouts import layer_count
from xltransfer.errors import ConfigError
from xltransfer.training.preparation import EncodedSet, PreparedRun, prepare
from xltransfer.training.progress import Reporter
from xltransfer.training.run_folder import METRICS_FILE
from xltransfer.training.trained_model import model_folder
from xltransfer.utils.files import write_json

FILE = "analysis.json"
STATES = ("before", "after")
ON_MAP = 300
"""Sentences of each set on the map."""


@dataclass(frozen=True)
class Settings:
    """`sentences` of each set at most; `resamples` of the bootstrap; the map's `projection`; the target's `split`;
    the `device` if not the run's.
    """

    sentences: int = 1000
    resamples: int = 200
    projection: str = "pca"
    split: str = "dev"
    device: str | None = None


Vectors = dict[str, dict[int, Tensor]]
"""By set, then by layer: (sentences, dim)."""


def analyze(
    run_dir: str | Path, settings: Settings = Settings(), plugin: Sequence[str] = (), reporter: Reporter | None = None
) -> dict[str, Any]:
    """Analyse a run and write `analysis.json` to its folder; returns its content. Raises UserError.

    Before training is the encoder as it was loaded and the RTN as it was initialised; sources are represented by their
    training sentences, the target by sentences it was not trained on.
    """
    path, reporter = Path(run_dir), reporter or Reporter()
    check(settings.projection)
    if not (path / METRICS_FILE).is_file():
        raise ConfigError(
            [f"run: {str(path)!r} is not a finished run; give the folder of one (it holds {METRICS_FILE})."]
        )
    config = RunConfig.from_yaml(path / "config.yaml", {"plugin": tuple(plugin)} if plugin else {})
    here = {} if settings.device is None else {"device": settings.device}
    run = prepare(RunConfig.from_mapping({**config.to_dict(), **here}), reporter)
    insertion = tuple(sorted(run.config.layer))
    layers = tuple(range(insertion[0], layer_count(run.encoder.config) + 1))
    sets = _sentences(run, settings)
    setting = Setting(layers, insertion, Collator(run.encoder.padding, run.config.pad_to),
                      frozenset(run.encoder.tokenizer.all_special_ids), run.autocast)  # fmt: skip
    vectors: dict[str, Vectors] = {}
    recorded: dict[str, dict[int, TokenChanges]] = {}
    weights: dict[str, dict[str, Any]] = {}
    for state in STATES:
        if state == "after":
            _load(run, path)
        reporter.stage(f"representations {state} training")
        recorded[state] = {layer: TokenChanges() for layer in insertion}
        vectors[state] = _vectors(run, sets, setting, recorded[state])
        if run.method.uses_rtn and run.rtn.weighs:
            weights[state] = summary(sentence_weights(run, sets["source"]), sets["source"])
    reporter.stage("distances")
    found = {
        "layers": list(layers),
        "insertion": list(insertion),
        "languages": {"source": list(run.config.sources), "target": run.config.target},
        "sentences": {name: len(part.encoded) for name, part in sets.items()},
        "distances": {state: _distances(vectors[state], layers, settings.resamples, run.device) for state in STATES},
        "moved": _moved(vectors, layers),
        "rtn": {
            state: {str(layer): one.summary() for layer, one in recorded[state].items() if one.kind} for state in STATES
        },
        "weights": weights,
        "map": _map(vectors, sets, layers, settings.projection),
    }
    write_json(path / FILE, found)
    return found


def _sentences(run: PreparedRun, settings: Settings) -> dict[str, EncodedSet]:
    target = {"train": run.target, "dev": run.dev, "test": run.test}[settings.split]
    return {"source": _some(run.source, settings.sentences), "target": _some(target, settings.sentences)}


def _some(part: EncodedSet, most: int) -> EncodedSet:
    """Select `count` sentences of a set; of a long one its first window."""
    whole = [encoded for encoded in part.encoded if not encoded.continues]
    rows = choose_rows(len(whole), most)
    return EncodedSet([part.examples[row] for row in rows], [whole[row] for row in rows])


def _load(run: PreparedRun, path: Path) -> None:
    """Load the trained parameters over the initial ones."""
    try:
        weights = safetensors.torch.load_file(model_folder(path) / "model.safetensors")
        missing, _ = run.learner.model.load_state_dict(weights, strict=False)
        if run.method.uses_rtn:
            run.rtn.load_state_dict(safetensors.torch.load_file(path / "rtn" / "rtn.safetensors"))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise ConfigError(
            [f"run: what {str(path)!r} has trained cannot be read: {' '.join(str(error).split())}"]
        ) from error
    tied = {name for name in missing if name not in run.learner.model.state_dict()}
    if lost := [name for name in missing if name not in tied and "position_ids" not in name]:
        raise ConfigError([f"run: model/ of {str(path)!r} lacks {', '.join(lost[:3])}."])


def _vectors(
    run: PreparedRun, sets: Mapping[str, EncodedSet], setting: Setting, recorded: Mapping[int, TokenChanges]
) -> Vectors:
    found = {name: sentence_vectors(run.learner, part.encoded, setting) for name, part in sets.items()}
    if run.method.uses_rtn:
        run.rtn.eval()
        found["transformed"] = sentence_vectors(run.learner, sets["source"].encoded, setting, run.rtn, recorded)
    return found


def _distances(vectors: Vectors, layers: Sequence[int], resamples: int, device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in layers:
        own = {name: of[layer].to(device) for name, of in vectors.items()}
        pairs = {"source-target": distances(own["source"], own["target"], resamples)}
        if "transformed" in own:
            pairs["transformed-target"] = distances(own["transformed"], own["target"], resamples)
            alike = with_interval(linear_cka, own["source"], own["transformed"], resamples, paired=True)
            pairs["source-transformed"] = {"cka": alike}
        found[str(layer)] = {pair: {name: _plain(one) for name, one in of.items()} for pair, of in pairs.items()}
    return found


def _moved(vectors: Mapping[str, Vectors], layers: Sequence[int]) -> dict[str, Any]:
    """Compute CKA between the same sentences before and after training, by layer and set."""
    before, after = (vectors[state] for state in STATES)
    return {str(layer): {name: _number(linear_cka(before[name][layer], after[name][layer])) for name in before}
            for layer in layers}  # fmt: skip


def _map(
    vectors: Mapping[str, Vectors], sets: Mapping[str, EncodedSet], layers: Sequence[int], projection: str
) -> dict[str, Any]:
    rows = {name: choose_rows(len(part.encoded), ON_MAP) for name, part in sets.items()}
    rows["transformed"] = rows["source"]
    points: dict[str, dict[str, dict[str, Any]]] = {state: {} for state in STATES}
    explained = None
    for layer in layers:
        views = {
            f"{state} {name}": vectors[state][name][layer][rows[name]] for state in STATES for name in vectors[state]
        }
        placed, shares = project(projection, views, ["before source", "before target"])
        explained = shares if layer == layers[0] else explained
        for key, where in placed.items():
            state, name = key.split()
            points[state].setdefault(str(layer), {})[name] = where.round(4).tolist()
    return {"method": projection, "explained": explained,
            "sentences": {name: [content(part.examples[row]) for row in rows[name]] for name, part in sets.items()},
            "points": points}  # fmt: skip


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: _number(value) for name, value in dataclasses.asdict(interval).items()}


def _number(value: float | None) -> float | None:
    """Return the number, or None for NaN, which JSON lacks."""
    return None if value is None or value != value else value
