"""The run folder and its files, each written atomically and under a lock."""

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
from xltransfer.tasks.ner import NER
from xltransfer.training.checkpointing.checkpoint import FOLDER as CHECKPOINTS
from xltransfer.training.checkpointing.checkpoint import list_checkpoints, untied_on_cpu
from xltransfer.training.device import cpu_name
from xltransfer.training.preparation import PreparedRun
from xltransfer.training.safety.failed_step import FOLDER as FAILURE
from xltransfer.utils.files import atomic_folder, refuse_escaping_links, refuse_link, sync, write_json, write_text
from xltransfer.utils.processes import launched_count

_PACKAGES = ("xltransfer", "torch", "transformers", "tokenizers", "safetensors", "higher", "seqeval", "numpy")
METRICS_FILE = "metrics.json"
"""Written last: a run folder that contains it is finished."""
LOCK = ".lock"


def choose_folder(config: RunConfig) -> Path:
    """Return `output`, or an unused name under `runs/`. Raises TakenError if `output` exists."""
    if config.output is not None:
        folder = Path(config.output)
        if folder.exists():
            raise TakenError([_folder_exists_message(folder)])
        return folder
    student = "-student" if config.taught else ""
    name = f"{config.task}-{'+'.join(config.source)}-{config.target}-{config.method}{student}-seed{config.seed}"
    base = Path("runs") / re.sub(r"[^\w+.-]+", "_", name)
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 10_000))]
    return next(folder for folder in candidates if not folder.exists())


def _folder_exists_message(folder: Path) -> str:
    unfinished = (folder / "config.yaml").is_file() and not (folder / METRICS_FILE).is_file()
    remedy = f" It is an unfinished run: xlt run --resume {folder} continues it." if unfinished else ""
    return f"output: {str(folder)!r} exists; name another folder, or move that one away.{remedy}"


class RunFolder:
    """The folder of one run, locked against other processes. `log.jsonl` is appended to during training.

    Raises LockedError if another process holds the lock, and ConfigError if the folder cannot be written to.
    """

    def __init__(self, path: Path, new: bool) -> None:
        self.path = path
        self.new = new
        """Whether this process created it."""
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
            refuse_escaping_links(path)
        except ConfigError:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> RunFolder:
        """Create a run folder that contains its configuration, so that a run killed at any time can be resumed."""
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            partial.mkdir(parents=True)
            write_text(partial / "config.yaml", config.to_yaml())
            write_json(partial / "environment.json", environment())
            os.rename(partial, path)
        except BaseException as error:  # KeyboardInterrupt too: a signal here must leave nothing half-made behind
            begun = partial.exists()
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError) and path.exists():
                raise TakenError([_folder_exists_message(path)]) from error
            if isinstance(error, OSError) and not begun:
                raise ConfigError([f"output: folder {str(path)!r} cannot be made: {error.strerror}."]) from error
            raise
        return cls(path, new=True)

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return (self.path / METRICS_FILE).is_file()

    def open_log(self, size: int) -> bool:
        """Open `log.jsonl` and truncate it to `size` bytes. Return False if it is shorter, so that lines are lost."""
        self._log = (self.path / "log.jsonl").open("a", encoding="utf-8")
        found = os.path.getsize(self._log.name)
        self._log.truncate(min(size, found))
        return found >= size

    def log(self, values: dict[str, Any]) -> None:
        """Append one line to `log.jsonl`."""
        assert self._log is not None
        self._log.write(json.dumps(values) + "\n")
        self._log.flush()

    def log_position(self) -> int:
        """Write `log.jsonl` through to disk and return its size in bytes."""
        assert self._log is not None
        os.fsync(self._log.fileno())
        return os.path.getsize(self._log.name)

    def has_checkpoints(self) -> bool:
        """Whether the folder contains a checkpoint."""
        return bool(list_checkpoints(self.path / CHECKPOINTS))

    def delete(self) -> None:
        """Delete the folder after an error in a new run."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`, which marks the run as finished, and delete the temporary files."""
        sync(self.path)
        write_json(self.path / METRICS_FILE, metrics)
        sync(self.path)
        self.delete_temporary()

    def delete_temporary(self) -> None:
        """Delete checkpoints, the state of a failed step and the lock file, which a finished run does not need."""
        for name in (CHECKPOINTS, FAILURE):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / LOCK).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the log and release the lock. A full disk was already reported when the line was written."""
        if self._log is not None:
            with suppress(OSError):
                self._log.close()
        self._lock.release()

    def save_models(self, run: PreparedRun) -> None:
        """Write `model/` in Hugging Face layout, without the RTN, and `rtn/` if the method trains an RTN."""
        model = run.learner.model
        saved: dict[str, Any] = {"task": run.config.task, "task_options": run.config.task_options,
                                 "max_length": run.config.max_length}  # fmt: skip
        if run.scheme is not None:
            saved["scheme"] = run.scheme
        if isinstance(run.task, NER):
            saved["decoding"] = run.task.decoding
        model.config.xltransfer = saved
        tokenizer = run.encoder.tokenizer  # its settings depend on what was encoded last, or are the file's
        tokenizer.backend_tokenizer.enable_truncation(run.config.max_length)
        tokenizer.backend_tokenizer.no_padding()
        with atomic_folder(self.path / "model") as folder, quiet_transformers():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        if not run.method.uses_rtn:
            return
        described = {"rtn": run.config.rtn, "options": run.config.rtn_options, "layers": list(run.config.layer),
                     "dim": run.encoder.config.hidden_size}  # fmt: skip
        with atomic_folder(self.path / "rtn") as folder:
            safetensors.torch.save_file(untied_on_cpu(run.rtn.state_dict()), folder / "rtn.safetensors")
            write_json(folder / "config.json", described)

    def save_samples(self, run: PreparedRun) -> None:
        """Write `samples.json`: the ids of the training sentences by language, in sampling order."""
        sources: dict[str, list[str]] = {language: [] for language in run.config.sources}
        whole = (sentence for sentence in run.source.encoded if not sentence.continues)
        for example, sentence in zip(run.source.examples, whole, strict=True):
            sources[run.config.sources[sentence.language]].append(example.id)
        target = {str(run.config.target): [example.id for example in run.target.examples]}
        write_json(self.path / "samples.json", {"source": sources, "target": target})

    def save_predictions(self, split: str, examples: Sequence[Example], predicted: Sequence[Any]) -> None:
        """Write `predictions.SPLIT.tsv` with the columns token (or text), gold and predicted."""
        lines = []
        for example, prediction in zip(examples, predicted, strict=True):
            if isinstance(example, TaggedSentence):
                rows = zip(example.words, example.tags, prediction, strict=True)
                lines += ["\t".join(row) for row in rows] + [""]
            else:
                lines.append(
                    "\t".join((" ".join(example.shown.replace("\t", " | ").split()), example.label, prediction))
                )
        write_text(self.path / f"predictions.{split}.tsv", "\n".join(lines) + "\n")


class SilentRunFolder(RunFolder):
    """The same folder in the other processes of a data-parallel run, which write nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.new = False

    def open_log(self, size: int) -> bool:
        return True

    def has_checkpoints(self) -> bool:
        return False

    def _skip(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    log = finish = delete_temporary = close = save_models = save_samples = save_predictions = _skip


def read_predictions(run_dir: Path, split: str, kind: str) -> tuple[list[Any], list[Any]]:
    """Read the gold and predicted labels of a finished run, or lists of tags (kind `tagging`). Raises ConfigError."""
    file = run_dir / f"predictions.{split}.tsv"
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        rows = [tuple(line.rsplit("\t", 2)[1:]) if line else () for line in lines]
        if kind != "tagging":
            return [gold for gold, _ in rows], [predicted for _, predicted in rows]
        sentences = [list(group) for has_tags, group in groupby(rows, key=bool) if has_tags]
        golds = [[gold for gold, _ in sentence] for sentence in sentences]
        return golds, [[predicted for _, predicted in sentence] for sentence in sentences]
    except (OSError, ValueError) as error:
        raise ConfigError([f"run: {str(file)!r} is not as it was written: {error}."]) from error


def environment() -> dict[str, Any]:
    """Collect versions and hardware, without names of users, hosts or folders."""
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
