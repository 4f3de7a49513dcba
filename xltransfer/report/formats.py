"""Format numbers and settings for a report."""

from __future__ import annotations

import math
import statistics

MISSING = "–"


def points(share: float | None) -> str:
    """Format a share between 0 and 1 in points."""
    return MISSING if share is None else f"{100 * share:.2f}"


def number(value: float | None) -> str:
    """Format a number with four significant digits, without trailing zeros."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.4g}"


def mean_and_deviation(values: list[float], factor: float = 1.0, digits: int = 2) -> str:
    """Format mean ± standard deviation; one value has no deviation."""
    mean = f"{factor * statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {factor * statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes and hours."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: float | None) -> str:
    """Format a number of bytes, in powers of ten."""
    if count is None:
        return MISSING
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def setting(value: object) -> str:
    """Format a value of the configuration or the environment."""
    if value is None or value in ([], {}, ()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={setting(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    return str(value)
