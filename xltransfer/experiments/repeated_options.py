"""Split repeated command-line options into values and alternatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.experiments.grid import FIXED
from xltransfer.registry import load_plugin

_SEVERAL = tuple(spec.name for spec in fields(RunConfig) if isinstance(spec.default, tuple))


def split_repeated(given: Mapping[str, list[str]]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return the first value of every option, and all values of those given several times.

    Of `layer` and `source`, which a run may have several of, each is one alternative, `2,3` two together; options of
    parts are NAME=VALUE. Loads the plugins. Raises ConfigError for alternatives of what is the same for all.
    """
    for plugin in given.get("plugin", []):
        load_plugin(Path(plugin).resolve())
    values: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    for name, found in given.items():
        if name == "plugin":
            values[name] = found
        elif name.endswith("_options"):
            by_key = _by_key(found)
            values[name] = {key: received[0] for key, received in by_key.items()}
            several |= {f"{name}.{key}": received for key, received in by_key.items()}
        else:
            several[name] = [one.split(",") if name in _SEVERAL else one for one in dict.fromkeys(found)]
            values[name] = several[name][0]
    alternatives = {name: found for name, found in several.items() if len(found) > 1}
    if faults := [
        f"{name.replace('.', ' ')}: received {', '.join(map(str, found))}; allowed: one, since scores are compared on "
        "the same test sentences; 'xlt run' once for each."
        for name, found in alternatives.items()
        if name.partition(".")[0] in FIXED and name != "target"  # each has a column of its own
    ]:
        raise ConfigError(faults)
    return values, alternatives


def _by_key(pairs: Sequence[str]) -> dict[str, list[str]]:
    """Group values by option."""
    found: dict[str, list[str]] = {}
    for pair in dict.fromkeys(pairs):
        key, _, value = pair.partition("=")
        found.setdefault(key, []).append(value)
    return found
