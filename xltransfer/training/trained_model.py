"""Load a trained model to predict with it, score it on another split or language, or export it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig, read_yaml
from xltransfer.data.batching import Collator
from xltransfer.data.examples import Example, LabelledText, TaggedSentence
from xltransfer.data.schemes import NAMES, from_bio, named
from xltransfer.data.words import split_words
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.loading import load_trained, open_encoder
from xltransfer.errors import ConfigError, DataError, unknown
from xltransfer.registry import TASKS
from xltransfer.registry.trusted_code import checked
from xltransfer.tasks.base import Scores, Task
from xltransfer.tasks.classification import Pair
from xltransfer.tasks.ner import NER
from xltransfer.training.data.reading import open_dataset
from xltransfer.training.device import choose_device
from xltransfer.training.evaluation import Certainty, Decoder, predict
from xltransfer.utils.files import atomic_folder, refuse_escaping_links, refuse_link_out


@dataclass(frozen=True)
class TrainedModel:
    """Model, tokenizer, task and labels of a finished run or an exported model."""

    learner: Learner
    tokenizer: Any
    task: Task
    labels: tuple[str, ...]
    max_length: int
    padding: dict[str, int]
    scheme: str = "bio"
    """The scheme of entity tags in the files of the run's target language."""

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", task: str | None = None) -> TrainedModel:
        """Load from a run folder, its `model/`, or an export. Raises ConfigError or EncoderError.

        A task given as `package.module:Class` is imported only if `task` names it too.
        """
        folder = model_folder(Path(path))
        encoder = open_encoder(str(folder))
        saved = getattr(encoder.config, "xltransfer", None)
        if not isinstance(saved, dict) or "task" not in saved:
            raise ConfigError([f"run: {str(folder)!r} was not saved by xltransfer: its config.json names no task."])
        values = {name: saved[name] for name in ("task", "task_options", "max_length") if name in saved}
        given = {"method": "target-only", **({"task": task} if task else {})}
        described = checked(values, given, repr(str(folder / "config.json")))
        config = RunConfig.from_mapping(described).validated()
        built: Task = TASKS.load(config.task)(**config.task_options)
        if isinstance(built, NER) and "decoding" not in config.task_options:
            built.decoding = saved.get("decoding", "argmax")  # saved before there was a choice
        learner = load_trained(folder, built.auto_class).to(choose_device(device))
        labels = tuple(encoder.config.id2label[index] for index in sorted(encoder.config.id2label))
        scheme = str(saved.get("scheme", "bio"))
        return cls(learner, encoder.tokenizer, built, labels, config.max_length, encoder.padding, scheme)

    def predict(self, examples: Sequence[Example]) -> list[Any]:
        """Predict a list of tags, or a label, for each example. Labels of the examples are ignored."""
        return self._decoded(examples, self.task)

    def certainties(self, examples: Sequence[Example]) -> list[float]:
        """How certain the model is of each example, from 0 to 1 (see `Certainty`)."""
        return self._decoded(examples, Certainty())

    def _decoded(self, examples: Sequence[Example], decoder: Decoder) -> list[Any]:
        encoded = self.task.encode(examples, self.labels, self.tokenizer, self.max_length)
        return predict(self.learner, decoder, encoded, self.labels, Collator(self.padding))

    def in_scheme(self, predicted: Sequence[Any], name: str) -> list[Any]:
        """Convert predicted BIO tags to a scheme; `own` is that of the run's files. Raises ConfigError."""
        if getattr(self.task, "tags_of_what", None) != "entities":
            raise ConfigError([f"scheme: received {name!r}; this model predicts no entities, so there is none."])
        if (scheme := named(self.scheme if name == "own" else name)) is None:
            raise ConfigError([unknown("scheme", name, ("own", *NAMES))])
        return [from_bio(tags, scheme) for tags in predicted]


def examples_of_lines(task: Task, lines: Sequence[str], pretokenized: bool = False) -> list[Example]:
    """Make one example of each non-empty line: raw text, or words separated by spaces if `pretokenized`.

    For tagging, raw text is split at white space and punctuation. Raises DataError.
    """
    examples: list[Example] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if task.kind == "text":
            examples.append(_text(task, number, line))
            continue
        words = line.split() if pretokenized else split_words(line)
        examples.append(TaggedSentence(f"line {number}", tuple(words), ("",) * len(words)))
    return examples


def _text(task: Task, number: int, line: str) -> LabelledText:
    if not isinstance(task, Pair):
        return LabelledText(f"line {number}", line.strip(), "")
    first, tab, second = line.partition("\t")
    if not tab or "\t" in second or not first.strip() or not second.strip():
        raise DataError(f"line {number}: {line.strip()[:60]!r} is no pair; allowed: two texts with a tab between.")
    return LabelledText(f"line {number}", first.strip(), "", second=second.strip())


_SCORING_FIELDS = ("task", "task_options", "data", "data_options", "data_seed", "target")


def evaluate(
    run_dir: str | Path, split: str, target: str | None, device: str, task: str | None = None, data: str | None = None
) -> tuple[Scores, int]:
    """Score a run on a split of its target or another language; return the scores and the number of sentences.

    `task` is as in `TrainedModel.load`. `data` is the run's dataset if it has moved. RTN, backend, method and the
    plugins named in the run's configuration are not loaded. Raises UserError.
    """
    path = Path(run_dir)
    if not (path / "config.yaml").is_file():
        raise ConfigError([f"run: {str(run_dir)!r} holds no config.yaml; give the folder of a finished run."])
    raw = {name: value for name, value in read_yaml(path / "config.yaml").items() if name in _SCORING_FIELDS}
    named = {name: value for name, value in {"task": task, "data": data}.items() if value}
    described = checked(raw, {**named, "method": "target-only"}, repr(str(path / "config.yaml")))
    config = RunConfig.from_mapping(described).validated()
    model = TrainedModel.load(path, device, task)
    examples = open_dataset(config).load(model.task, target or config.target or "", split)
    return model.task.score(model.task.gold(examples), model.predict(examples)), len(examples)


def prediction_record(example: Example, prediction: Any) -> dict[str, Any]:
    """Return a prediction as a JSON object."""
    if isinstance(example, TaggedSentence):
        return {"words": list(example.words), "tags": list(prediction)}
    pair = {} if example.second is None else {"second": example.second}
    return {"text": example.text, **pair, "label": prediction}


def prediction_tsv(example: Example, prediction: Any) -> str:
    """Format a prediction as lines of `token<TAB>tag` and an empty line, or one line of `label<TAB>text`."""
    if isinstance(example, TaggedSentence):
        return "\n".join(f"{word}\t{tag}" for word, tag in zip(example.words, prediction, strict=True)) + "\n"
    texts = [" ".join(text.split()) for text in (example.text, example.second) if text is not None]
    return "\t".join([prediction, *texts])


def read_metrics(run_dir: Path) -> dict[str, Any]:
    """Read `metrics.json` of a finished run. Raises ConfigError."""
    try:
        metrics: dict[str, Any] = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError([f"run: {str(run_dir)!r} holds no readable metrics.json ({error})."]) from error
    return metrics


def export_model(run_dir: Path, destination: Path) -> None:
    """Copy `model/` of a run to a new folder. Raises ConfigError if it exists."""
    model = model_folder(run_dir)
    if destination.exists():
        raise ConfigError([f"export: {str(destination)!r} exists; name another folder."])
    refuse_escaping_links(model)
    with atomic_folder(destination) as partial:
        shutil.copytree(model, partial, dirs_exist_ok=True)


def model_folder(path: Path) -> Path:
    """Return `model/` of a run, or the folder itself if it is an exported model. Raises ConfigError."""
    refuse_link_out(path, "model")
    for folder in (path / "model", path):
        if (folder / "config.json").is_file():
            return folder
    what = "holds neither model/config.json nor config.json" if path.is_dir() else "is not a folder"
    raise ConfigError([f"run: {str(path)!r} {what}; give the folder of a finished run or of a model."])
