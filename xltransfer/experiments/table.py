"""A comparison as text: for a terminal, Markdown, LaTeX (booktabs), CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from xltransfer.experiments.compare import Comparison, Row

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip


def cells(row: Row, comparison: Comparison) -> list[str]:
    """Name, test (mean and deviation), dev, difference, its interval, p: in points, as they stand in every format."""
    found = row.difference
    interval = "" if found is None or found.low is None else f"{100 * found.low:+.1f} to {100 * (found.high or 0):+.1f}"
    return [
        row.name,
        _mean(row.mean, row.deviation),
        f"{100 * sum(row.dev) / len(row.dev):.1f}",
        "baseline" if found is None else f"{100 * found.mean:+.1f}",
        interval,
        "" if row.p is None else f"{row.p:.3f}",
        f"{sum(row.seconds) / len(row.seconds):.0f}",
    ]


def headings(comparison: Comparison) -> list[str]:
    """Of the columns of `cells`."""
    metric = {"f1": "F1", "accuracy": "accuracy"}[comparison.metric]
    return [
        "",
        f"test {metric}",
        f"dev {metric}",
        f"vs {comparison.baseline}",
        "95 % interval",
        "p (Holm)",
        "seconds",
    ]


def markdown(comparison: Comparison) -> str:
    """A table in Markdown; best in bold, the verdict below."""
    lines = [headings(comparison), ["---"] + ["---:"] * (len(headings(comparison)) - 1)]
    lines += [_marked(row, comparison, "**{}**") for row in comparison.rows]
    return (
        "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{caption(comparison)} {comparison.verdict()}\n"
    )


def latex(comparison: Comparison) -> str:
    """A table for the booktabs package; best in bold."""
    rows = [_marked(row, comparison, "\x02{}\x03") for row in comparison.rows]
    body = [" & ".join(map(_escaped, line)) + r" \\" for line in rows]
    head = " & ".join(map(_escaped, headings(comparison))) + r" \\"
    columns = "l" + "r" * (len(headings(comparison)) - 1)
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body,
             r"\bottomrule", r"\end{tabular}",
             rf"\caption{{{_escaped(caption(comparison) + ' ' + comparison.verdict())}}}", r"\end{table}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One line a run: name, seed, test and dev score, seconds, folder."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "seed", f"test {comparison.metric}", f"dev {comparison.metric}", "seconds", "run"])
    for row in comparison.rows:
        for one in zip(comparison.seeds, row.test, row.dev, row.seconds, row.run_dirs, strict=True):
            writer.writerow([row.name, *one])
    return file.getvalue()


def as_json(comparison: Comparison) -> str:
    """All of it as one JSON object."""
    return json.dumps(comparison.to_dict()) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown, "latex": latex, "csv": as_csv, "json": as_json,
}  # fmt: skip


def caption(comparison: Comparison) -> str:
    """What the table is of."""
    seeds = f"{len(comparison.seeds)} seed{'s' * (len(comparison.seeds) != 1)}"
    source = " and ".join(comparison.source)
    return (
        f"{comparison.task}, {source} to {comparison.target}: mean and standard deviation over {seeds}, "
        f"{comparison.sentences} test sentences."
    )


def _marked(row: Row, comparison: Comparison, bold: str) -> list[str]:
    found = cells(row, comparison)
    name = found[0].replace("|", r"\|") if bold == "**{}**" else found[0]
    return [name, bold.format(found[1]) if row.mean == comparison.best else found[1], *found[2:]]


def _mean(mean: float, deviation: float | None) -> str:
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _escaped(text: str) -> str:
    plain = "".join(_LATEX.get(letter, letter) for letter in text)
    return plain.replace("±", r"$\pm$").replace("\x02", r"\textbf{").replace("\x03", "}")
