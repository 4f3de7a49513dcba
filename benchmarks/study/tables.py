"""Tables and figures of the study, from the lines of results/*.jsonl and nothing else.

python benchmarks/study/study.py tables       # writes results/tables.md, differences.svg, mixture.svg
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from xltransfer.experiments.table import bold, markdown_table, mean_and_deviation

Line = dict[str, Any]
METHODS = ("target-only", "joint", "joint-rtn", "released", "metaxl", "transformation", "frozen")
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
    main = [line for name, several in lines.items() if name.startswith("main") for line in several]
    if main:
        parts += [_scores(main), _comparisons(main), _cost(main)]
        _plot_differences(main, results / "differences.svg")
    if ablations := lines.get("ablations"):
        parts.append(_ablations(ablations))
    if sources := lines.get("sources"):
        parts.append(_sources(sources))
    (results / "tables.md").write_text("\n".join(parts), encoding="utf-8")


def paired(lines: Sequence[Line], one: str, other: str) -> dict[str, list[float]]:
    """By pair of languages: the differences of test scores, in points, of the seeds that both rows have."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for line in lines:
        found.setdefault(pair_of(line), {}).setdefault(line["seed"], {})[line["row"]] = line["test"]
    differences = {
        pair: [100 * (rows[one] - rows[other]) for _, rows in sorted(seeds.items()) if one in rows and other in rows]
        for pair, seeds in found.items()
    }
    return {pair: several for pair, several in differences.items() if several}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean, and the ends of Student's 95 % interval; not numbers where there is one value."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    error = statistics.stdev(values) / len(values) ** 0.5
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error) if error else (mean, mean)
    return mean, float(low), float(high)


def pair_of(line: Line) -> str:
    """Task, source and target."""
    return f"{line['task']} {line['source']}→{line['target']}"


def _said(values: Sequence[float]) -> str:
    mean, low, high = interval(values)
    return f"{mean:+.1f}" if low != low else f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _by(lines: Sequence[Line], key: Callable[[Line], Any]) -> dict[Any, list[Line]]:
    found: dict[Any, list[Line]] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found


def _tuning(name: str, lines: Sequence[Line]) -> str:
    rows = _by(lines, lambda line: line["row"])
    devs = {row: statistics.mean(line["dev"] for line in several) for row, several in rows.items()}
    families = _by([{"row": row} for row in rows], lambda line: line["row"].partition("/")[0])
    best = {max((one["row"] for one in family), key=devs.__getitem__) for family in families.values()}
    body = []
    for row, several in rows.items():
        said = f"{100 * devs[row]:.1f}"
        moved = [line["update_ratio"] for line in several if line["update_ratio"] is not None]
        body.append([row, bold(said) if row in best else said, str(len(several)),
                     f"{statistics.mean(moved):.1e}" if moved else ""])  # fmt: skip
    head = ["", "mean dev", "seeds", "median |Δφ| / |φ| a step"]
    return f"## {name}\n\nThe best of each method is bold.\n\n{markdown_table(head, body)}"


def _scores(lines: Sequence[Line]) -> str:
    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    body = []
    for method in METHODS:
        cells = [[line["test"] for line in lines if line["row"] == method and pair_of(line) == pair] for pair in pairs]
        body.append([method, *(_mean(values) for values in cells)])
    return (
        f"## Test scores\n\nMean ± standard deviation; in brackets the seeds.\n\n{markdown_table(['', *pairs], body)}"
    )


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return f"{mean_and_deviation(statistics.mean(values), deviation)} ({len(values)})"


def _comparisons(lines: Sequence[Line]) -> str:
    body = []
    for one, other in COMPARED:
        if by_pair := paired(lines, one, other):
            means = [statistics.mean(several) for several in by_pair.values()]
            above = sum(mean > 0 for mean in means)
            body.append([f"{one} − {other}", _said(means), f"{above} of {len(means)}",
                         str(sum(map(len, by_pair.values())))])  # fmt: skip
    head = ["", "mean over pairs (95 %)", "pairs above 0", "runs of each"]
    return f"## Comparisons\n\n{_progress(lines)}\n\n{markdown_table(head, body)}"


def _progress(lines: Sequence[Line]) -> str:
    done = len({(pair_of(line), line["row"], line["seed"]) for line in lines})
    wanted = 10 * len(METHODS) * WANTED
    return f"{done} of the protocol's {wanted} runs are recorded."


def _cost(lines: Sequence[Line]) -> str:
    body = []
    for method in METHODS:
        ratios: dict[str, list[float]] = {"step_seconds": [], "memory": []}
        for several in _by(lines, lambda line: (pair_of(line), line["seed"])).values():
            rows = {line["row"]: line for line in several}
            if method in rows and "joint" in rows:
                for name, found in ratios.items():
                    found.append(rows[method][name] / rows["joint"][name])
        if ratios["memory"]:
            body.append([method, *(f"{statistics.median(found):.2f}" for found in ratios.values())])
    head = ["", "time of a step", "memory"]
    return ("## Cost\n\nRelative to joint training on the same pair and seed, medians; two runs shared the machine.\n\n"
            + markdown_table(head, body))  # fmt: skip


def _ablations(lines: Sequence[Line]) -> str:
    body = []
    for row in dict.fromkeys(line["row"] for line in lines):
        several = [line for line in lines if line["row"] == row]
        differences = [value for found in paired(lines, row, "metaxl").values() for value in found]
        moved = [line["update_ratio"] for line in several if line["update_ratio"] is not None]
        body.append([row, _mean([line["test"] for line in several]), _said(differences) if row != "metaxl" else "",
                     f"{statistics.mean(moved):.1e}" if moved else ""])  # fmt: skip
    head = ["", "test", "vs metaxl (95 % over seeds)", "median |Δφ| / |φ| a step"]
    return f"## Ablations\n\n{markdown_table(head, body)}"


def _sources(lines: Sequence[Line]) -> str:
    body = []
    for (row, source), several in _by(lines, lambda line: (line["row"], line["source"])).items():
        by_target = _by(several, lambda line: line["target"])
        cells = [f"{_mean([line['test'] for line in by_target.get(target, [])])}" for target in _targets(lines)]
        body.append([f"{row}, {source}", *cells])
    return f"## Several sources\n\n{markdown_table(['', *_targets(lines)], body)}"


def _targets(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line["target"] for line in lines))


def _plot_differences(lines: Sequence[Line], file: Path) -> None:
    """Each pair's mean difference from joint training, a mark a method; a dot a seed."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "xltransfer"
    from matplotlib import pyplot

    pairs = list(dict.fromkeys(pair_of(line) for line in lines))
    shown = [method for method in METHODS if method not in ("joint", "target-only")]
    figure, axis = pyplot.subplots(figsize=(9, 0.6 * len(pairs) + 1.2), constrained_layout=True)
    for index, method in enumerate(shown):
        found = paired(lines, method, "joint")
        offset = 0.18 * (index - (len(shown) - 1) / 2)
        for place, pair in enumerate(pairs):
            values = found.get(pair, [])
            axis.scatter(values, [place + offset] * len(values), s=8, color=f"C{index}", alpha=0.4)
            if values:
                axis.scatter([statistics.mean(values)], [place + offset], marker="D", color=f"C{index}",
                             label=method if place == 0 else None)  # fmt: skip
    axis.axvline(0, color="grey", linewidth=1)
    axis.set_yticks(range(len(pairs)), pairs)
    axis.invert_yaxis()
    axis.set_xlabel("test score minus that of joint training, points (diamonds: means over seeds)")
    axis.legend(loc="best")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
