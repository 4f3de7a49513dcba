"""A trained model from disk: scoring it again, and predicting with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers.pre_tokenizers import BertPreTokenizer

from xltransfer.config import RunConfig, read_yaml
from xltransfer.data.batching import Collator
from xltransfer.data.examples import Example, LabelledText, TaggedSentence
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.loading import load_trained, open_encoder
from xltransfer.errors import ConfigError
from xltransfer.registry import TASKS
from xltransfer.registry.trusted_code import checked
from xltransfer.tasks.base import Scores, Task
from xltransfer.training.device import choose_device
from xltransfer.training.evaluation import predict
from xltransfer.training.preparation import open_dataset
from xltransfer.training.run_folder import model_folder


@dataclass(frozen=True)
class TrainedModel:
    """Model, tokenizer, task and labels of a finished run or an exported model."""

    learner: Learner
    tokenizer: Any
    task: Task
    labels: tuple[str, ...]
    max_length: int
    padding: dict[str, int]

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", task: str | None = None) -> TrainedModel:
        """From a run folder, its `model/`, or an export. Raises ConfigError or EncoderError.

        `task` is its task's name, for one that is `package.module:Class`: that is imported only if named here.
        """
        folder = model_folder(Path(path))
        encoder = open_encoder(str(folder))
        saved = getattr(encoder.config, "xltransfer", None)
        if not isinstance(saved, dict) or "task" not in saved:
            raise ConfigError([f"run: {str(folder)!r} was not saved by xltransfer: its config.json names no task."])
        given = {"method": "target-only", **({"task": task} if task else {})}
        described = checked(_described(saved), given, repr(str(folder / "config.json")))
        config = RunConfig.from_mapping(described).validated()
        built: Task = TASKS.load(config.task)(**config.task_options)
        learner = load_trained(folder, built.auto_class).to(choose_device(device))
        labels = tuple(encoder.config.id2label[index] for index in sorted(encoder.config.id2label))
        return cls(learner, encoder.tokenizer, built, labels, config.max_length, encoder.padding)

    def predict(self, examples: Sequence[Example]) -> list[Any]:
        """A list of tags, or a label, for each example; labels of the examples are not looked at."""
        encoded = self.task.encode(examples, self.labels, self.tokenizer, self.max_length)
        return predict(self.learner, self.task, encoded, self.labels, Collator(self.padding))

    def read(self, lines: Sequence[str], pretokenized: bool) -> list[Example]:
        """One example a non-empty line: raw text, or words with spaces between them if `pretokenized`.

        Raw text is split at white space and punctuation for tagging, and taken whole for classification.
        """
        examples: list[Example] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if self.task.kind == "text":
                examples.append(LabelledText(f"line {number}", line.strip(), ""))
                continue
            words = line.split() if pretokenized else split_words(line)
            examples.append(TaggedSentence(f"line {number}", tuple(words), ("",) * len(words)))
        return examples


def split_words(text: str) -> list[str]:
    """Words and punctuation marks of raw text, in any script."""
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(text)]


_OF_SCORING = ("task", "task_options", "data", "data_options", "data_seed", "target")


def evaluate(
    run_dir: str | Path,
    split: str,
    target: str | None,
    device: str,
    task: str | None = None,
    data: str | None = None,
) -> tuple[Scores, int]:
    """Scores of a run on a split of its target or of another language, and the number of sentences.

    `task` as in `TrainedModel.load`; `data` is the run's dataset where it is not where it was. RTN, backend and method
    play no part, nor do the plugins that the run's configuration names. Raises UserError.
    """
    path = Path(run_dir)
    if not (path / "config.yaml").is_file():
        raise ConfigError([f"run: {str(run_dir)!r} holds no config.yaml; give the folder of a finished run."])
    raw = {name: value for name, value in read_yaml(path / "config.yaml").items() if name in _OF_SCORING}
    named = {name: value for name, value in {"task": task, "data": data}.items() if value}
    described = checked(raw, {**named, "method": "target-only"}, repr(str(path / "config.yaml")))
    config = RunConfig.from_mapping(described).validated()
    model = TrainedModel.load(path, device, task)
    examples = open_dataset(config).load(model.task, target or config.target or "", split)
    return model.task.score(model.task.gold(examples), model.predict(examples)), len(examples)


def _described(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What a saved model says of its task, as values of a configuration."""
    return {name: saved[name] for name in ("task", "task_options", "max_length") if name in saved}


def prediction_record(example: Example, prediction: Any) -> dict[str, Any]:
    """A prediction as one JSON object."""
    if isinstance(example, TaggedSentence):
        return {"words": list(example.words), "tags": list(prediction)}
    return {"text": example.text, "label": prediction}


def prediction_tsv(example: Example, prediction: Any) -> str:
    """A prediction as lines of `token<TAB>tag` and an empty one, or one line of `label<TAB>text`."""
    if isinstance(example, TaggedSentence):
        return "\n".join(f"{word}\t{tag}" for word, tag in zip(example.words, prediction, strict=True)) + "\n"
    return f"{prediction}\t{' '.join(example.text.split())}"


def read_metrics(run_dir: Path) -> dict[str, Any]:
    """`metrics.json` of a finished run. Raises ConfigError."""
    try:
        metrics: dict[str, Any] = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError([f"run: {str(run_dir)!r} holds no readable metrics.json ({error})."]) from error
    return metrics
