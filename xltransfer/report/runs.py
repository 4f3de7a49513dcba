"""Read the files of a finished run, without importing torch."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import read_yaml
from xltransfer.errors import ConfigError
from xltransfer.registry.trusted_code import code_flags
from xltransfer.report.predictions import Predictions, read_predictions
from xltransfer.report.representations import Analysis, read_analysis
from xltransfer.utils.files import refuse_link_out

SCORES = ("f1", "precision", "recall", "accuracy")
SCORE_NAMES = {"f1": "F1", "precision": "precision", "recall": "recall", "accuracy": "accuracy"}
_FILES = ("config.yaml", "metrics.json", "environment.json", "log.jsonl", "predictions.test.tsv", "analysis.json")


@dataclass(frozen=True)
class FinishedRun:
    """The content of a run folder; `scores` are shares, for dev, test and the majority baseline on test."""

    path: Path
    metrics: dict[str, Any]
    scores: dict[str, dict[str, float]]
    config: dict[str, Any]
    environment: dict[str, Any]
    log: list[dict[str, Any]]
    predictions: Predictions
    analysis: Analysis | None

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def task(self) -> str:
        """The name of the task."""
        return str(self.metrics["task"])

    @property
    def metric(self) -> str:
        """The score that chose the epoch."""
        return str(self.metrics["metric"])

    @property
    def meta(self) -> dict[str, Any]:
        """Method, languages and parts, from metrics.json."""
        found: dict[str, Any] = self.metrics["meta"]
        return found

    @property
    def source(self) -> tuple[str, ...]:
        """The source languages."""
        return tuple(map(str, self.meta["source"]))

    @property
    def target(self) -> str:
        """The target language."""
        return str(self.meta["target"])

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers of the RTN; empty without one."""
        layers = self.config.get("layer")
        several = layers if isinstance(layers, list) else [layers]
        return tuple(several) if self.meta.get("rtn") else ()

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        flags = code_flags(self.config)
        config = shlex.quote(str(self.path / "config.yaml"))
        return f"xlt run --config {config} --output {shlex.quote(f'{self.path}-again')}{flags and f' {flags}'}"


def read_run(path: Path) -> FinishedRun:
    """Read a run folder. Raises ConfigError: no folder, no run, not finished, or damaged."""
    if not path.is_dir():
        raise ConfigError([f"run: {str(path)!r} is not a folder; give the folder of a finished run."])
    if not (path / "config.yaml").is_file():
        raise ConfigError([f"run: {str(path)!r} holds no config.yaml; give the folder of a finished run."])
    if not (path / "metrics.json").is_file():
        raise ConfigError([f"run: {str(path)!r} is not finished, it holds no metrics.json. To finish it: xlt run "
                           f"--resume {shlex.quote(str(path))}"])  # fmt: skip
    for name in _FILES:
        refuse_link_out(path, name)
    metrics, scores = _metrics(path / "metrics.json")
    return FinishedRun(
        path,
        metrics,
        scores,
        read_yaml(path / "config.yaml"),
        _json(path / "environment.json") if (path / "environment.json").is_file() else {},
        _log(path / "log.jsonl"),
        read_predictions(path / "predictions.test.tsv"),
        read_analysis(path / "analysis.json"),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"run: {str(file)!r} cannot be read: {error}."]) from error
    if not isinstance(found, dict):
        raise ConfigError([f"run: {str(file)!r} holds a {type(found).__name__}; it was written as an object."])
    return found


def _metrics(file: Path) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Read and check metrics.json; return its content and its scores."""
    metrics = _json(file)
    try:
        parts = {"dev": metrics["dev"], "test": metrics["test"], "majority": metrics["meta"]["majority"]}
        scores = {name: {score: _finite(part[score]) for score in SCORES} for name, part in parts.items()}
        if metrics["metric"] not in SCORES:
            raise KeyError("metric")
        for name in ("best_epoch", "steps", "seconds"):
            _finite(metrics[name])
        if metrics.get("peak_memory_bytes") is not None:
            _finite(metrics["peak_memory_bytes"])
        list(metrics["meta"]["source"])
        str(metrics["task"] + metrics["meta"]["target"] + metrics["meta"]["method"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigError([f"run: {str(file)!r} is not as it was written; it lacks {error}."]) from error
    return metrics, scores


def _finite(value: Any) -> float:
    """Return a finite number as float. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a number, and has {value!r}")
    return float(value)


def _log(file: Path) -> list[dict[str, Any]]:
    """Read the lines of log.jsonl; none if there is no log."""
    if not file.is_file():
        return []
    found: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            values = json.loads(line)
            for value in (values["step"], values["epoch"], *_dev_scores(values)):
                _finite(value)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ConfigError([f"run: {str(file)!r}, line {number}, is not as it was written: {error}."]) from error
        found.append(values)
    return found


def _dev_scores(values: Mapping[str, Any]) -> list[Any]:
    return [values["dev"][score] for score in SCORES] if "dev" in values else []
