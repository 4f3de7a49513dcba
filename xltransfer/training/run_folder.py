"""The files of a run: written so that a reader never finds half of one."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import safetensors.torch
import torch

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.encoders.loading import quiet_transformers
from xltransfer.errors import ConfigError
from xltransfer.training.device import processor
from xltransfer.training.preparation import Prepared

_PACKAGES = ("xltransfer", "torch", "transformers", "tokenizers", "safetensors", "higher", "seqeval", "numpy")


def choose_folder(config: RunConfig) -> Path:
    """`output`, or a free name under `runs/`. Raises ConfigError if the named folder exists."""
    if config.output is not None:
        folder = Path(config.output)
        if folder.exists():
            raise ConfigError([f"output: {config.output!r} exists; name another folder, or move that one away."])
        return folder
    name = f"{config.task}-{'+'.join(config.source)}-{config.target}-{config.method}-seed{config.seed}"
    base = Path("runs") / re.sub(r"[^\w+.-]+", "_", name)
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 10_000))]
    return next(folder for folder in candidates if not folder.exists())


class RunFolder:
    """A folder made for one run. Opens `log.jsonl` at once; everything else comes at the end."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=False)
        except OSError as error:
            raise ConfigError([f"output: folder {str(path)!r} cannot be made: {error.strerror}."]) from error
        write_text(path / "config.yaml", config.to_yaml())
        write_json(path / "environment.json", environment())
        self._log: TextIO = (path / "log.jsonl").open("w", encoding="utf-8")

    def log(self, values: dict[str, Any]) -> None:
        """One line of `log.jsonl`."""
        self._log.write(json.dumps(values) + "\n")
        self._log.flush()

    def discard(self) -> None:
        """Remove the folder, which this run made: its input turned out to be at fault."""
        self._log.close()
        shutil.rmtree(self.path)

    def close(self) -> None:
        """End the log."""
        self._log.close()

    def save_models(self, run: Prepared) -> None:
        """`model/` in Hugging Face layout, without the RTN; `rtn/` with it, if the method trains one."""
        model = run.learner.model
        model.config.xltransfer = {"task": run.config.task, "task_options": run.config.task_options,
                                   "max_length": run.config.max_length}  # fmt: skip
        tokenizer = run.encoder.tokenizer  # as it was left by what it encoded last, or by its file if all was cached
        tokenizer.backend_tokenizer.enable_truncation(run.config.max_length)
        tokenizer.backend_tokenizer.no_padding()
        with quiet_transformers():
            model.save_pretrained(self.path / "model")
            tokenizer.save_pretrained(self.path / "model")
        if not run.method.uses_rtn:
            return
        folder = self.path / "rtn"
        folder.mkdir()
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in run.rtn.state_dict().items()}
        safetensors.torch.save_file(state, folder / "rtn.safetensors")
        described = {"rtn": run.config.rtn, "options": run.config.rtn_options, "layers": list(run.config.layer),
                     "dim": run.encoder.config.hidden_size}  # fmt: skip
        write_json(folder / "config.json", described)

    def save_samples(self, run: Prepared) -> None:
        """`samples.json`: the ids of the training sentences, by language, in the order drawn."""
        sources: dict[str, list[str]] = {language: [] for language in run.config.source}
        whole = (sentence for sentence in run.source.encoded if not sentence.continues)
        for example, sentence in zip(run.source.examples, whole, strict=True):
            sources[run.config.source[sentence.language]].append(example.id)
        target = {str(run.config.target): [example.id for example in run.target.examples]}
        write_json(self.path / "samples.json", {"source": sources, "target": target})

    def save_predictions(self, split: str, examples: Sequence[Example], predicted: Sequence[Any]) -> None:
        """`predictions.SPLIT.tsv`: token, gold, predicted; or text, gold, predicted."""
        lines = []
        for example, prediction in zip(examples, predicted, strict=True):
            if isinstance(example, TaggedSentence):
                rows = zip(example.words, example.tags, prediction, strict=True)
                lines += ["\t".join(row) for row in rows] + [""]
            else:
                lines.append("\t".join((" ".join(example.text.split()), example.label, prediction)))
        write_text(self.path / f"predictions.{split}.tsv", "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write under another name, then rename."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def environment() -> dict[str, Any]:
    """Versions and hardware; no names of users, hosts or folders."""
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.libc_ver()[0]}".strip(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "packages": versions,
    }


def export_model(run_dir: Path, destination: Path) -> None:
    """Copy `model/` of a run to a folder that does not exist yet. Raises ConfigError."""
    model = model_folder(run_dir)
    if destination.exists():
        raise ConfigError([f"export: {str(destination)!r} exists; name another folder."])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(model, partial)
    os.replace(partial, destination)


def model_folder(path: Path) -> Path:
    """`model/` of a run, or the folder itself if it is a model. Raises ConfigError."""
    for folder in (path / "model", path):
        if (folder / "config.json").is_file():
            return folder
    what = "holds neither model/config.json nor config.json" if path.is_dir() else "is not a folder"
    raise ConfigError([f"run: {str(path)!r} {what}; give the folder of a finished run or of a model."])
