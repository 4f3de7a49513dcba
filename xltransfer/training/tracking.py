"""A run's figures sent to TensorBoard or Weights & Biases too, by the trackers of Accelerate."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.errors import ConfigError, unknown
from xltransfer.training.progress import Reporter

_NEEDS = {"tensorboard": ("accelerate", "tensorboard"), "wandb": ("accelerate", "wandb")}
_PROJECT = "xltransfer"
"""Under which Weights & Biases lists runs. TensorBoard reads the folder `tensorboard` in the run folder."""

Log = Callable[[dict[str, Any]], None]


def require(names: Sequence[str]) -> None:
    """Raises ConfigError for a tracker that there is none of, or whose library is not installed."""
    if faults := [unknown("track", name, _NEEDS) for name in names if name not in _NEEDS]:
        raise ConfigError(faults)
    missing = [(name, part) for name in names for part in _NEEDS[name] if importlib.util.find_spec(part) is None]
    if missing:
        raise ConfigError([f"track: {name} needs the package {part}, which is not installed. Run: pip install {part}"
                           for name, part in missing])  # fmt: skip


class Trackers:
    """Passes on what is logged. Off where no tracker is named; one that fails is dropped, and the run goes on."""

    def __init__(self, names: Sequence[str], run_dir: Path, config: Mapping[str, Any], reporter: Reporter) -> None:
        self._reporter = reporter
        self._trackers: dict[str, Any] = {}
        for name in names:
            if (tracker := self._tried(name, lambda name=name: _opened(name, run_dir))) is not None:  # type: ignore[misc]
                self._trackers[name] = tracker
        plain = {name: value if isinstance(value, int | float | str) else str(value) for name, value in config.items()}
        self._each(lambda tracker: tracker.store_init_configuration(plain))

    def log(self, values: Mapping[str, Any]) -> None:
        """A line of `log.jsonl`: its numbers, under the step's number. Scores are named `dev/f1` and so on."""
        numbers = {name: value for name, value in values.items() if isinstance(value, float)}
        for group in ("dev", "mixture"):
            numbers |= {f"{group}/{name}": value for name, value in values.get(group, {}).items()}
        if numbers:
            self._each(lambda tracker: tracker.log(numbers, step=values["step"]))

    def finish(self) -> None:
        """Nothing more will be logged."""
        self._each(lambda tracker: tracker.finish())
        self._trackers.clear()

    def _each(self, action: Callable[[Any], object]) -> None:
        for name, tracker in list(self._trackers.items()):
            if self._tried(name, lambda tracker=tracker: (action(tracker),)) is None:  # type: ignore[misc]
                del self._trackers[name]

    def _tried(self, name: str, action: Callable[[], Any]) -> Any:
        """What `action` returns; None, with a warning, if it fails, in whatever way such a service may fail."""
        try:
            return action()
        except Exception as error:
            told = " ".join(str(error).split())[:200]
            self._reporter.warn(f"track: {name} fails and is left out from here on: {type(error).__name__}: {told}")
            return None


def _opened(name: str, run_dir: Path) -> Any:
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # the trackers' own log asks it which process this is
    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind(name, run_dir) if name == "tensorboard" else kind(_PROJECT, name=run_dir.name, dir=str(run_dir))
    tracker.start()
    return tracker
