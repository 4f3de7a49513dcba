"""Render a comparison for a terminal, Markdown, LaTeX (booktabs), CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

from rich.markup import escape

from xltransfer.experiments.compare import Comparison, Row

_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
          "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip

METRICS = {"f1": "F1", "accuracy": "accuracy"}
_BOLD, _PLAIN = "\x02", "\x03"
_PIPE = r"\|"


def cells(row: Row, comparison: Comparison) -> list[str]:
    """Name, test (mean and deviation), dev, difference, its interval, p: in points, as they stand in every format."""
    found = row.difference
    interval = "" if found is None or found.low is None else f"{100 * found.low:+.1f} to {100 * (found.high or 0):+.1f}"
    return [
        row.name,
        mean_and_deviation(row.mean, row.deviation),
        f"{100 * sum(row.dev) / len(row.dev):.1f}",
        "baseline" if found is None else f"{100 * found.mean:+.1f}",
        interval,
        "" if row.p is None else f"{row.p:.3f}",
        f"{sum(row.seconds) / len(row.seconds):.0f}",
    ]


def headings(comparison: Comparison) -> list[str]:
    """Of the columns of `cells`."""
    metric = METRICS[comparison.metric]
    return [
        "",
        f"test {metric}",
        f"dev {metric}",
        f"vs {comparison.baseline}",
        "95 % interval",
        "p (Holm)",
        "seconds",
    ]


def lines(comparison: Comparison) -> list[list[str]]:
    """The `cells` of every row; best marked by `bold`."""
    return [_marked(row, comparison) for row in comparison.rows]


def markdown(comparison: Comparison) -> str:
    """A table in Markdown; best in bold, the verdict below."""
    return f"{markdown_table(headings(comparison), lines(comparison))}\n{caption(comparison)} {comparison.verdict()}\n"


def latex(comparison: Comparison) -> str:
    """A table for the booktabs package; best in bold."""
    return latex_table(headings(comparison), lines(comparison), f"{caption(comparison)} {comparison.verdict()}")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; what `bold` marked is bold."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    text = "\n".join(f"| {' | '.join(cell.replace('|', _PIPE) for cell in line)} |" for line in lines)
    return text.replace(_BOLD, "**").replace(_PLAIN, "**") + "\n"


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table for the booktabs package; what `bold` marked is bold."""
    body = [" & ".join(map(_escaped, line)) + r" \\" for line in (head, *rows)]
    columns = "l" + "r" * (len(head) - 1)
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule",
             *body[1:], r"\bottomrule", r"\end{tabular}", rf"\caption{{{_escaped(caption)}}}",
             r"\end{table}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def bold(text: str) -> str:
    """Marked as bold for `markdown_table` and `latex_table`."""
    return f"{_BOLD}{text}{_PLAIN}"


def as_markup(text: str) -> str:
    """For a terminal, by Rich; what `bold` marked is bold."""
    return escape(text).replace(_BOLD, "[bold]").replace(_PLAIN, "[/bold]")


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


def _marked(row: Row, comparison: Comparison) -> list[str]:
    found = cells(row, comparison)
    return [found[0], bold(found[1]) if row.mean == comparison.best else found[1], *found[2:]]


def mean_and_deviation(mean: float, deviation: float | None) -> str:
    """Of a share, in points."""
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _escaped(text: str) -> str:
    plain = "".join(_LATEX.get(letter, letter) for letter in text)
    return plain.replace("±", r"$\pm$").replace(_BOLD, r"\textbf{").replace(_PLAIN, "}")
