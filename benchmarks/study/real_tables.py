"""Tables of the study with a real encoder (PROTOCOL-REAL.md), from the lines of its phases."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from differences import Line, by, interval, pair_of, paired

from xltransfer.experiments.tables.formats import markdown_table, mean_and_deviation

ROWS = ("joint", "joint-long", "joint-longer", "metaxl", "metaxl-long", "weights", "student", "student-long",
        "student-certain", "student-weights")  # fmt: skip
ARGMAX = ", argmax"
SEEN = ("sw",)
"""Targets in the encoder's pretraining."""
COMPARED = (("joint", f"joint{ARGMAX}"), ("joint-long", "joint"), ("student", "joint"), ("student", "joint-long"),
            ("joint-longer", "joint-long"), ("student-long", "joint-long"), ("metaxl-long", "joint-long"),
            ("student-certain", "student"), ("student-weights", "student"), ("student-weights", "weights"),
            ("metaxl", "joint"), ("weights", "joint"), ("student", f"joint{ARGMAX}"))  # fmt: skip
WORSE = 0.3
"""Points by which decoding under constraints may lose before it counts."""


def real_tables(tuning: Sequence[Line], lines: Sequence[Line], longer: Sequence[Line]) -> str:
    """All tables, as Markdown."""
    parts = ["# Tables of the study with a real encoder\n\nMade by `python benchmarks/study/study.py tables`; the "
             "protocol is PROTOCOL-REAL.md. Scores are entity F1 in points.\n"]  # fmt: skip
    if tuning:
        body = [[line["row"], f"{100 * line['dev']:.1f}"] for line in tuning]
        parts.append(f"## Tuning on es→sw, seed 0\n\n{markdown_table(['', 'dev'], body)}")
    if lines:
        both = _with_argmax(lines)
        parts += [_scores(both), _comparisons(both), _decoding(lines), _cost(lines)]
    if longer:
        both = _with_argmax(longer)
        parts += [_scores(both, " of six epochs, in fp32"), _comparisons(both, " of six epochs, in fp32")]
    return "\n".join(parts)


def _with_argmax(lines: Sequence[Line]) -> list[Line]:
    return [*lines, *({**line, "row": f"{line['row']}{ARGMAX}", "test": line["test_argmax"]} for line in lines)]


def _scores(lines: Sequence[Line], told: str = "") -> str:
    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    body = []
    for row in (name for base in ROWS for name in (base, f"{base}{ARGMAX}")):
        cells = [[line["test"] for line in lines if line["row"] == row and pair_of(line) == pair] for pair in pairs]
        if any(cells):
            body.append([row, *map(_mean, cells)])
    table = markdown_table(["", *pairs], body)
    return (f"## Test scores{told}\n\nMean ± standard deviation over seeds; in brackets how many. Decoded under the "
            f"BIO constraints, or by argmax with the same weights.\n\n{table}")  # fmt: skip


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return f"{mean_and_deviation(statistics.mean(values), deviation)} ({len(values)})"


def _comparisons(lines: Sequence[Line], told: str = "") -> str:
    body = []
    for one, other in COMPARED:
        by_pair = {pair: statistics.mean(found) for pair, found in paired(lines, one, other).items()}
        if not by_pair:
            continue
        unseen = [mean for pair, mean in by_pair.items() if pair.rpartition("→")[2] not in SEEN]
        seen = [mean for pair, mean in by_pair.items() if pair.rpartition("→")[2] in SEEN]
        runs = sum(map(len, paired(lines, one, other).values()))
        body.append([f"{one} − {other}", _said([*by_pair.values()]), _said(unseen), _said(seen),
                     f"{sum(mean > 0 for mean in by_pair.values())} of {len(by_pair)}", str(runs)])  # fmt: skip
    head = ["", "mean over pairs (95 %)", "unseen languages", "Swahili", "pairs above 0", "runs of each"]
    return f"## Comparisons{told}\n\n{markdown_table(head, body)}"


def _said(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean, low, high = interval(values)
    return f"{mean:+.1f}" if low != low else f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _decoding(lines: Sequence[Line]) -> str:
    gains = [100 * (line["test"] - line["test_argmax"]) for line in lines]
    worse = sum(gain < -WORSE for gain in gains)
    gained = f"{statistics.mean(gains):+.1f} on average (from {min(gains):+.1f} to {max(gains):+.1f})"
    return (f"## Decoding\n\nOf {len(gains)} models, constrained decoding gained {gained}; it lost more than {WORSE} "
            f"on {worse}.\n")  # fmt: skip


def _cost(lines: Sequence[Line]) -> str:
    found = {row: [line["seconds"] / 60 for line in lines if line["row"] == row] for row in ROWS}
    body = [[row, f"{statistics.median(minutes):.1f}"] for row, minutes in found.items() if minutes]
    return ("## Minutes of a run\n\nMedians; one thread, beside other work. A student needs a teacher first.\n\n"
            f"{markdown_table(['', 'minutes'], body)}")  # fmt: skip


def wrong_labels(noise: Sequence[Line], harmful: Sequence[Line]) -> str:
    """Tables of sources with wrong labels; intervals are over seeds of one pair."""
    parts = []
    if noise := [{**line, "source": ""} for line in noise]:
        body = []
        for level in ("none", "a tenth", "a third"):
            base = f"joint, {level}"
            differences = (_over_seeds(noise, f"{row}, {level}", base) for row in ("weights", "metaxl"))
            body.append([level, _mean([line["test"] for line in noise if line["row"] == base]), *differences])
        head = ["entities of a wrong type", "joint", "weights − joint", "metaxl − joint"]
        parts.append(f"## Sources with wrong labels\n\n{markdown_table(head, body)}")
    if harmful := [{**line, "source": ""} for line in harmful]:
        scores = by(harmful, lambda line: line["row"])
        body = [[row, _mean([line["test"] for line in several]), _over_seeds(harmful, row, "joint")]
                for row, several in scores.items()]  # fmt: skip
        parts.append(f"## Three sources, one of them harmful\n\n{markdown_table(['', 'test', '− joint'], body)}")
    return "\n".join(parts)


def _over_seeds(lines: Sequence[Line], one: str, other: str) -> str:
    return _said([value for found in paired(lines, one, other).values() for value in found]) if one != other else ""
