"""Log a run's metrics to TensorBoard or Weights & Biases, with Accelerate's trackers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xltransfer.errors import ConfigError, unknown
from xltransfer.training.progress import Reporter

_NEEDS = {"tensorboard": ("accelerate", "tensorboard"), "wandb": ("accelerate", "wandb")}
_PROJECT = "xltransfer"
"""The project in Weights & Biases. TensorBoard reads the folder `tensorboard` in the run folder."""

Log = Callable[[dict[str, Any]], None]


def check_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError for an unknown tracker, or one whose library is not installed."""
    if faults := [unknown("track", name, _NEEDS) for name in names if name not in _NEEDS]:
        raise ConfigError(faults)
    missing = [(name, part) for name in names for part in _NEEDS[name] if importlib.util.find_spec(part) is None]
    if missing:
        raise ConfigError([f"track: {name} needs the package {part}, which is not installed. Run: pip install {part}"
                           for name, part in missing])  # fmt: skip


class Trackers:
    """Forwards log lines to the trackers. A tracker that fails is removed with a warning, and the run continues."""

    def __init__(self, names: Sequence[str], run_dir: Path, config: Mapping[str, Any], reporter: Reporter) -> None:
        self._reporter = reporter
        self._trackers: dict[str, Any] = {}
        for name in names:
            if (tracker := self._try(name, lambda name=name: _open_tracker(name, run_dir))) is not None:  # type: ignore[misc]
                self._trackers[name] = tracker
        plain = {name: value if isinstance(value, int | float | str) else str(value) for name, value in config.items()}
        self._for_each(lambda tracker: tracker.store_init_configuration(plain))

    def log(self, values: Mapping[str, Any]) -> None:
        """Log the numbers of one line of `log.jsonl` for its step. Nested values are named `dev/f1` and so on."""
        numbers = {name: value for name, value in values.items() if isinstance(value, float)}
        for group in ("dev", "mixture"):
            numbers |= {f"{group}/{name}": value for name, value in values.get(group, {}).items()}
        if numbers:
            self._for_each(lambda tracker: tracker.log(numbers, step=values["step"]))

    def finish(self) -> None:
        """Close all trackers."""
        self._for_each(lambda tracker: tracker.finish())
        self._trackers.clear()

    def _for_each(self, action: Callable[[Any], object]) -> None:
        for name, tracker in list(self._trackers.items()):
            if self._try(name, lambda tracker=tracker: (action(tracker),)) is None:  # type: ignore[misc]
                del self._trackers[name]

    def _try(self, name: str, action: Callable[[], Any]) -> Any:
        """Return the result of `action`; on any error of the service, warn and return None."""
        try:
            return action()
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            self._reporter.warn(f"track: {name} fails and is not used from here on: {type(error).__name__}: {reason}")
            return None


def _open_tracker(name: str, run_dir: Path) -> Any:
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # required by the trackers' logger, which asks it for the process number
    kind = LOGGER_TYPE_TO_CLASS[name]
    tracker = kind(name, run_dir) if name == "tensorboard" else kind(_PROJECT, name=run_dir.name, dir=str(run_dir))
    tracker.start()
    return tracker
