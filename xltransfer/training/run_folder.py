"""The files of a run: written so that a reader never finds half of one, by one process at a time."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

import safetensors.torch
import torch
from filelock import FileLock, Timeout

from xltransfer.config import RunConfig
from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.encoders.loading import quiet_transformers
from xltransfer.errors import ConfigError, LockedError, TakenError
from xltransfer.training.checkpointing.checkpoint import FOLDER as CHECKPOINTS
from xltransfer.training.checkpointing.checkpoint import list_checkpoints, untied_on_cpu
from xltransfer.training.device import cpu_name
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.safety.failed_step import FOLDER as FAILURE
from xltransfer.utils.files import (
    refuse_link,
    refuse_link_out,
    refuse_links_out,
    sync,
    whole_folder,
    write_json,
    write_text,
)
from xltransfer.utils.processes import launched_count

_PACKAGES = ("xltransfer", "torch", "transformers", "tokenizers", "safetensors", "higher", "seqeval", "numpy")
FINISHED = "metrics.json"
"""Comes last: a run folder that has it is finished."""
LOCK = ".lock"


def choose_folder(config: RunConfig) -> Path:
    """`output`, or a free name under `runs/`. Raises ConfigError if the named folder exists."""
    if config.output is not None:
        folder = Path(config.output)
        if folder.exists():
            raise TakenError([_taken(folder)])
        return folder
    name = f"{config.task}-{'+'.join(config.source)}-{config.target}-{config.method}-seed{config.seed}"
    base = Path("runs") / re.sub(r"[^\w+.-]+", "_", name)
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 10_000))]
    return next(folder for folder in candidates if not folder.exists())


def _taken(folder: Path) -> str:
    unfinished = (folder / "config.yaml").is_file() and not (folder / FINISHED).is_file()
    remedy = f" It is an unfinished run: xlt run --resume {folder} continues it." if unfinished else ""
    return f"output: {str(folder)!r} exists; name another folder, or move that one away.{remedy}"


class RunFolder:
    """The folder of one run, locked: no other process writes to it. `log.jsonl` grows; the rest comes at the end."""

    def __init__(self, path: Path, new: bool) -> None:
        self.path = path
        self.new = new
        """Whether it was made for this run of the program."""
        self._lock = FileLock(path / LOCK)
        self._log: TextIO | None = None
        refuse_link(path / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LockedError(
                f"output: another process is running in {str(path)!r}; let it finish, or stop it first."
            ) from None
        except OSError as error:
            raise ConfigError([f"output: folder {str(path)!r} cannot be written to: {error.strerror}."]) from error
        try:
            refuse_links_out(path)
        except ConfigError:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> RunFolder:
        """A new one. It gets its name with its configuration in it, so that a run killed at once can be continued."""
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            partial.mkdir(parents=True)
        except OSError as error:
            raise ConfigError([f"output: folder {str(path)!r} cannot be made: {error.strerror}."]) from error
        try:
            write_text(partial / "config.yaml", config.to_yaml())
            write_json(partial / "environment.json", environment())
            os.rename(partial, path)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if path.exists():
                raise TakenError([_taken(path)]) from error
            raise
        return cls(path, new=True)

    @property
    def finished(self) -> bool:
        """Whether a run has come to its end here."""
        return (self.path / FINISHED).is_file()

    def open_log(self, size: int) -> bool:
        """Go on with `log.jsonl` after its first `size` bytes. False: it has fewer, some lines are lost."""
        self._log = (self.path / "log.jsonl").open("a", encoding="utf-8")
        found = os.path.getsize(self._log.name)
        self._log.truncate(min(size, found))
        return found >= size

    def log(self, values: dict[str, Any]) -> None:
        """One line of `log.jsonl`."""
        assert self._log is not None
        self._log.write(json.dumps(values) + "\n")
        self._log.flush()

    def log_position(self) -> int:
        """The size of `log.jsonl` in bytes, all of which are on the disk then."""
        assert self._log is not None
        os.fsync(self._log.fileno())
        return os.path.getsize(self._log.name)

    def has_checkpoints(self) -> bool:
        """Whether something would be lost with this folder."""
        return bool(list_checkpoints(self.path / CHECKPOINTS))

    def discard(self) -> None:
        """Remove the folder, which this run made: its input turned out to be at fault, or the machine fails."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`, which makes the run a finished one, and remove what only an unfinished one needs."""
        sync(self.path)
        write_json(self.path / FINISHED, metrics)
        sync(self.path)
        self.tidy()

    def tidy(self) -> None:
        """Remove what only an unfinished run needs."""
        for name in (CHECKPOINTS, FAILURE):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / LOCK).unlink(missing_ok=True)

    def close(self) -> None:
        """End the log, and let others at the folder. What a full disk kept out of the log was said when logged."""
        if self._log is not None:
            with suppress(OSError):
                self._log.close()
        self._lock.release()

    def save_models(self, run: PreparedRun) -> None:
        """`model/` in Hugging Face layout, without the RTN; `rtn/` with it, if the method trains one."""
        model = run.learner.model
        model.config.xltransfer = {"task": run.config.task, "task_options": run.config.task_options,
                                   "max_length": run.config.max_length}  # fmt: skip
        tokenizer = run.encoder.tokenizer  # as it was left by what it encoded last, or by its file if all was cached
        tokenizer.backend_tokenizer.enable_truncation(run.config.max_length)
        tokenizer.backend_tokenizer.no_padding()
        with whole_folder(self.path / "model") as folder, quiet_transformers():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        if not run.method.uses_rtn:
            return
        described = {"rtn": run.config.rtn, "options": run.config.rtn_options, "layers": list(run.config.layer),
                     "dim": run.encoder.config.hidden_size}  # fmt: skip
        with whole_folder(self.path / "rtn") as folder:
            safetensors.torch.save_file(untied_on_cpu(run.rtn.state_dict()), folder / "rtn.safetensors")
            write_json(folder / "config.json", described)

    def save_samples(self, run: PreparedRun) -> None:
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


class SilentRunFolder(RunFolder):
    """The same folder for a process that writes nothing: another one of the run does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.new = False

    def open_log(self, size: int) -> bool:
        """See `RunFolder.open_log`."""
        return True

    def log(self, values: dict[str, Any]) -> None:
        """Nothing."""

    def has_checkpoints(self) -> bool:
        """See `RunFolder.has_checkpoints`."""
        return False

    def finish(self, metrics: dict[str, Any]) -> None:
        """Nothing."""

    def tidy(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def save_models(self, run: PreparedRun) -> None:
        """Nothing."""

    def save_samples(self, run: PreparedRun) -> None:
        """Nothing."""

    def save_predictions(self, split: str, examples: Sequence[Example], predicted: Sequence[Any]) -> None:
        """Nothing."""


def read_predictions(run_dir: Path, split: str, kind: str) -> tuple[list[Any], list[Any]]:
    """Gold and predicted of a finished run: lists of tags (kind `tagging`), or labels. Raises ConfigError."""
    file = run_dir / f"predictions.{split}.tsv"
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        rows = [tuple(line.rsplit("\t", 2)[1:]) if line else () for line in lines]
        if kind != "tagging":
            return [gold for gold, _ in rows], [predicted for _, predicted in rows]
        sentences = [list(group) for some, group in groupby(rows, key=bool) if some]
        return [[gold for gold, _ in one] for one in sentences], [
            [predicted for _, predicted in one] for one in sentences
        ]
    except (OSError, ValueError) as error:
        raise ConfigError([f"run: {str(file)!r} is not as it was written: {error}."]) from error


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
        "processor": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": launched_count(),
        "gpus": gpus,
        "packages": versions,
    }


def export_model(run_dir: Path, destination: Path) -> None:
    """Copy `model/` of a run to a folder that does not exist yet. Raises ConfigError."""
    model = model_folder(run_dir)
    if destination.exists():
        raise ConfigError([f"export: {str(destination)!r} exists; name another folder."])
    refuse_links_out(model)
    with whole_folder(destination) as partial:
        shutil.copytree(model, partial, dirs_exist_ok=True)


def model_folder(path: Path) -> Path:
    """`model/` of a run, or the folder itself if it is a model. Raises ConfigError."""
    refuse_link_out(path, "model")
    for folder in (path / "model", path):
        if (folder / "config.json").is_file():
            return folder
    what = "holds neither model/config.json nor config.json" if path.is_dir() else "is not a folder"
    raise ConfigError([f"run: {str(path)!r} {what}; give the folder of a finished run or of a model."])
