"""Tables and figures of the study, from the lines of results/*.jsonl and nothing else.

python benchmarks/study/study.py tables       # writes results/tables.md and the figures beside it
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from differences import Line, by, interval, pair_of, paired
from figures import METHODS, plot_differences, plot_distance, plot_mixtures
from real_tables import real_tables, wrong_labels

from xltransfer.experiments.tables.formats import bold, markdown_table, mean_and_deviation

COMPARED = (("metaxl", "joint"), ("metaxl", "frozen"), ("metaxl", "joint-rtn"), ("metaxl", "released"),
            ("transformation", "joint"), ("transformation", "frozen"),
            ("frozen", "joint"), ("joint-rtn", "joint"), ("released", "joint"), ("target-only", "joint"))  # fmt: skip
WANTED = 5
"""Seeds of the protocol."""


def write_all(folder: Path) -> None:
    """Everything that the results allow by now."""
    results = folder / "results"
    lines = {file.stem: [json.loads(one) for one in file.read_text(encoding="utf-8").splitlines()]
             for file in sorted(results.glob("*.jsonl"))}  # fmt: skip
    parts = ["# The study's tables\n\nMade by `python benchmarks/study/study.py tables`; the protocol is PROTOCOL.md. "
             "Scores are in points.\n"]  # fmt: skip
    parts += [_tuning(name, lines[name]) for name in sorted(lines) if name.startswith("tuning")]
    for suffix, told in (("", ""), ("-full", ", 5000 source sentences")):
        names = [name for name in lines if name.startswith("main") and name.endswith("-full") == bool(suffix)]
        if main := [line for name in names for line in lines[name]]:
            parts += [_scores(f"Test scores{told}", main), _comparisons(main, told, lines.get("cost", []))]
            plot_differences(main, results / f"differences{suffix}.svg")
    if cost := lines.get("cost"):
        parts.append(_cost(cost))
    if ablations := lines.get("ablations"):
        parts.append(_ablations(ablations))
    if sources := lines.get("sources"):
        parts.append(_sources(sources))
        if drawn := [line for line in sources if line["mixture"]]:
            plot_mixtures(drawn, results / "mixture.svg")
    if distance := lines.get("distance"):
        parts.append(_scores("Distance", distance))
        plot_distance(distance, results / "distance.svg")
    (results / "tables.md").write_text("\n".join(parts), encoding="utf-8")
    real = [line for name in ("real-sw", "real-ner") for line in lines.get(name, [])]
    if tuning := lines.get("real-tuning"):
        text = real_tables(tuning, real, lines.get("real-long", []))
        if additions := lines.get("additions"):
            text += "\n" + _ablations(additions, "Additions one by one, on the embedded language")
        if wrong := wrong_labels(lines.get("noise", []), lines.get("harmful", [])):
            text += "\n" + wrong
        (results / "real-tables.md").write_text(text, encoding="utf-8")


def _said(values: Sequence[float]) -> str:
    mean, low, high = interval(values)
    return f"{mean:+.1f}" if low != low else f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _tuning(name: str, lines: Sequence[Line]) -> str:
    rows = by(lines, lambda line: line["row"])
    devs = {row: statistics.mean(line["dev"] for line in several) for row, several in rows.items()}
    families = by([{"row": row} for row in rows], lambda line: line["row"].partition("/")[0])
    best = {max((one["row"] for one in family), key=devs.__getitem__) for family in families.values()}
    body = []
    for row, several in rows.items():
        said = f"{100 * devs[row]:.1f}"
        moved = [line["update_ratio"] for line in several if line["update_ratio"] is not None]
        body.append([row, bold(said) if row in best else said, str(len(several)),
                     f"{statistics.mean(moved):.1e}" if moved else ""])  # fmt: skip
    head = ["", "mean dev", "seeds", "median |Δφ| / |φ| a step"]
    return f"## {name}\n\nThe best of each method is bold.\n\n{markdown_table(head, body)}"


def _scores(title: str, lines: Sequence[Line]) -> str:
    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    body = []
    known = {line["row"] for line in lines}
    for method in (method for method in METHODS if method in known):
        cells = [[line["test"] for line in lines if line["row"] == method and pair_of(line) == pair] for pair in pairs]
        body.append([method, *(_mean(values) for values in cells)])
    return f"## {title}\n\nMean ± standard deviation; in brackets the seeds.\n\n{markdown_table(['', *pairs], body)}"


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return f"{mean_and_deviation(statistics.mean(values), deviation)} ({len(values)})"


def _comparisons(lines: Sequence[Line], told: str, cost: Sequence[Line]) -> str:
    body = []
    of_row = {line["row"]: line for line in cost}
    for one, other in COMPARED:
        if by_pair := paired(lines, one, other):
            means = [statistics.mean(several) for several in by_pair.values()]
            above = sum(mean > 0 for mean in means)
            body.append([f"{one} − {other}", _said(means), f"{above} of {len(means)}",
                         str(sum(map(len, by_pair.values()))),
                         *_relative(of_row.get(one), of_row.get(other))])  # fmt: skip
    head = ["", "mean over pairs (95 %)", "pairs above 0", "runs of each", "time of a step", "memory"]
    return f"## Comparisons{told}\n\n{_progress(lines)}\n\n{markdown_table(head, body)}"


def _progress(lines: Sequence[Line]) -> str:
    done = len({(pair_of(line), line["row"], line["seed"]) for line in lines})
    wanted = 10 * len(METHODS) * WANTED
    return f"{done} of the protocol's {wanted} runs are recorded."


def _cost(lines: Sequence[Line]) -> str:
    joint = {line["source"]: line for line in lines if line["row"] in ("joint", "joint, both")}
    body = [[line["row"], *_relative(line, joint[line["source"]])] for line in lines]
    head = ["", "time of a step", "memory of a run"]
    told = "Relative to joint training with the same sources, each in a process of its own."
    return f"## Cost\n\n{told}\n\n{markdown_table(head, body)}"


def _relative(one: Line | None, other: Line | None) -> list[str]:
    """Time of a step and memory of one row over those of another; nothing where they were not measured."""
    return [f"×{one[name] / other[name]:.2f}" if one and other else "" for name in ("step_seconds", "memory")]


def _ablations(lines: Sequence[Line], title: str = "Ablations") -> str:
    body = []
    for row in dict.fromkeys(line["row"] for line in lines):
        several = [line for line in lines if line["row"] == row]
        base = row.partition(",")[0]
        of_base, of_joint = ([value for found in paired(lines, row, other).values() for value in found]
                             for other in (base, "joint"))  # fmt: skip
        moved = [line["update_ratio"] for line in several if line["update_ratio"] is not None]
        body.append([row, _mean([line["test"] for line in several]), _said(of_joint) if row != "joint" else "",
                     _said(of_base) if row != base else "",
                     f"{statistics.mean(moved):.1e}" if moved else ""])  # fmt: skip
    head = ["", "test", "− joint (95 % over seeds)", "− the same unchanged", "median |Δφ| / |φ| a step"]
    return f"## {title}\n\n{markdown_table(head, body)}"


def _sources(lines: Sequence[Line]) -> str:
    targets = list(dict.fromkeys(line["target"] for line in lines))
    cells = by(lines, lambda line: (line["row"], line["target"]))
    body = [[row, *(_mean([line["test"] for line in cells.get((row, target), [])]) for target in targets)]
            for row in dict.fromkeys(line["row"] for line in lines)]  # fmt: skip
    told = "\n".join(_two_against_one(method, lines, targets) for method in ("joint", "metaxl"))
    return f"## Several sources\n\n{markdown_table(['', *targets], body)}\n{told}\n"


def _two_against_one(method: str, lines: Sequence[Line], targets: Sequence[str]) -> str:
    """Of each target the better single source and the better way of taking both, by dev; their difference on test."""
    said, beaten = [], 0
    lines = [{**line, "source": ""} for line in lines if line["row"].startswith(method)]
    for target in targets:
        own = by([line for line in lines if line["target"] == target], lambda line: line["row"])
        devs = {row: statistics.mean(line["dev"] for line in several) for row, several in own.items()}
        one, two = ([row for row in devs if ("both" in row) == both] for both in (False, True))
        if not one or not two:
            continue
        better, best = max(one, key=devs.__getitem__), max(two, key=devs.__getitem__)
        (differences,) = paired([line for line in lines if line["target"] == target], best, better).values()
        beaten += statistics.mean(differences) > 0
        said.append(f"{target} {_said(differences)} ({best} − {better})")
    return f"{method}: two sources are better on {beaten} of {len(said)} targets: {'; '.join(said)}."
