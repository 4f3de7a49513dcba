"""What a report is made of: curves, ticks, scores by label, errors, and the analysis it reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from tests.analyses import made_up
from xltransfer.errors import ConfigError
from xltransfer.report.charts import line_chart, page_spec
from xltransfer.report.curves import LIMIT, Curves, curves_of, warnings_of
from xltransfer.report.formats import duration, mean_and_deviation, number, setting, size
from xltransfer.report.labels import OTHER, confusion, label_scores
from xltransfer.report.maps import map_view
from xltransfer.report.mistakes import worst_predictions
from xltransfer.report.predictions import Predictions, TaggedPrediction, TextPrediction, direction
from xltransfer.report.representations import Analysis, read_analysis
from xltransfer.report.runs import FinishedRun

ONES = {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}


def run_with(log: list[dict[str, Any]], rtn: str | None = "mlp") -> FinishedRun:
    meta = {"source": ["a"], "target": "b", "method": "metaxl", "rtn": rtn}
    metrics = {"task": "ner", "metric": "f1", "best_epoch": 2, "steps": len(log), "seconds": 1.0, "meta": meta}
    return FinishedRun(Path("run"), metrics, {"test": ONES}, {}, {}, log, Predictions(), None)


def steps(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"step": step, "epoch": 1 + 2 * step // count, **values} for step in range(1, count + 1)]


def points_of(curves: Curves) -> list[dict[str, Any]]:
    """The data of a chart."""
    found: list[dict[str, Any]] = page_spec(line_chart(curves))["data"]["values"]
    return found


def drawn(curves: Curves) -> str:
    """The chart as SVG."""
    spec = line_chart(curves).to_dict()
    return str(vl_convert.vegalite_to_svg(spec))


def test_every_figure_of_the_log_has_a_curve_and_known_ones_a_title() -> None:
    log = steps(4, inner_loss=1.0, meta_loss=2.0, update_ratio=0.1, gradient_cosine=-0.5, seconds=0.2, of_a_plugin=3)
    found = {curves.title: set(curves.lines) for curves in curves_of(run_with(log))}
    assert found == {
        "Losses": {"inner loss", "meta loss"},
        "Update of the RTN": {"‖Δφ‖ / ‖φ‖"},
        "Agreement of gradients": {"cosine of source and target gradients"},
        "Time a step": {"seconds"},
        "Of a plugin": {"of a plugin"},
    }


def test_the_rate_of_an_rtn_that_is_not_there_is_not_shown() -> None:
    log = steps(4, lr=1.0, meta_lr=1.0)
    assert [len(curves_of(run_with(log, rtn))[0].lines) for rtn in ("mlp", None)] == [2, 1]


def test_losses_of_steps_before_the_rtn_and_after_share_a_chart() -> None:
    log = [*steps(4, source_loss=1.0, target_loss=2.0), *steps(4, inner_loss=3.0, meta_loss=4.0, meta_grad_norm=5.0)]
    losses, norms = curves_of(run_with([{**line, "step": step} for step, line in enumerate(log, 1)]))
    assert losses.x == tuple(range(1, 9))
    assert losses.lines["source"] == (1.0,) * 4 + (None,) * 4
    assert losses.lines["meta loss"] == (None,) * 4 + (4.0,) * 4
    assert [one["y"] for one in points_of(losses) if one["name"] == "source"] == [1.0] * 4 + [None] * 4
    assert norms.x == (5, 6, 7, 8)


def test_languages_have_a_line_each_under_whatever_name() -> None:
    log = steps(6, usefulness=0.5)
    for line in log:
        line["mixture"] = {"step": 0.25, "of en": 0.75, "odd": "x", "a": 0.5}
        line["source"] = "step" if line["step"] % 3 else "of en"
    log[1]["usefulness"] = 0.1
    found = {curves.title: curves for curves in curves_of(run_with(log))}
    assert list(found) == ["Usefulness of source batches", "Mixture of source languages",
                           "Usefulness by source language"]  # fmt: skip
    mixture, worth = found["Mixture of source languages"], found["Usefulness by source language"]
    assert list(mixture.lines) == ["a", "step", "of en", "odd"]  # that of the run's sources comes first
    assert mixture.lines == {"a": (0.5,) * 6, "step": (0.25,) * 6, "of en": (0.75,) * 6, "odd": (None,) * 6}
    assert mixture.x == tuple(map(float, range(1, 7)))
    assert mixture.note == "Probability that the next batch is in this language."
    assert worth.lines == {"step": (0.5, 0.1, None, 0.5, 0.5, None), "of en": (None, None, 0.5, None, None, 0.5)}
    assert worth.note == "Cosine of inner and query gradients; means: step 0.4, of en 0.5."
    assert mixture.rows[0] == ("1", "0.5", "0.25", "0.75", "–")
    assert all(len(points_of(curves)) == 6 * len(curves.lines) for curves in found.values())


def test_a_mixture_that_is_none_is_no_chart() -> None:
    assert curves_of(run_with(steps(3, mixture=[1], source="en", usefulness="x"))) == []


def test_long_curves_are_means_and_say_so() -> None:
    log = steps(1000)
    for line in log:
        line["grad_norm"] = float(line["step"])
    (curves,) = curves_of(run_with(log))
    assert len(curves.x) <= LIMIT
    assert "mean of 7 steps" in curves.note
    assert curves.x[0] == 7
    assert curves.lines["encoder and head, ‖∇θ‖"][0] == pytest.approx(4.0)
    assert curves.log_scale
    assert "Log scale" in curves.note
    assert curves.marks == (499.0, 999.0)


def test_what_is_not_finite_is_a_gap_and_warnings_are_told() -> None:
    log = [*steps(3, grad_norm=1.0), {"step": 2, "epoch": 1, "warning": "too large"}]
    log[1]["grad_norm"] = float("nan")
    (curves,) = curves_of(run_with(log))
    assert list(curves.lines.values()) == [(1.0, None, 1.0)]
    assert [one["y"] for one in points_of(curves)] == [1.0, None, 1.0]
    assert lines_in(drawn(curves)) == ["MM"]
    assert warnings_of(run_with(log)) == ["step 2: too large"]


def test_figures_of_some_steps_only_are_joined_up() -> None:
    log = steps(100, seconds=1.0)
    for line in log[::5]:
        line["gradient_cosine"] = 0.5
    cosine, seconds = curves_of(run_with(log))
    assert cosine.x == tuple(float(step) for step in range(1, 101, 5))
    assert lines_in(drawn(cosine)) == ["M" + "L" * 19]
    assert cosine.marks == seconds.marks == (49.0, 99.0)


def test_a_value_between_gaps_is_a_dot() -> None:
    log = steps(30, grad_norm=float("nan"))
    log[20]["grad_norm"] = 2.0
    assert [one["x"] for one in points_of(curves_of(run_with(log))[0]) if one.get("dot")] == [21]


def test_a_log_of_nothing_finite_is_drawn_empty() -> None:
    (curves,) = curves_of(run_with(steps(2, grad_norm=float("inf"))))
    assert {one["y"] for one in points_of(curves)} == {None}
    assert not any(lines_in(drawn(curves)))


def test_dev_scores_have_the_deciding_one_first() -> None:
    log = [{"step": epoch, "epoch": epoch, "dev": {**ONES, "f1": epoch / 10}} for epoch in (1, 2, 3)]
    (curves,) = curves_of(run_with(log))
    assert list(curves.lines) == ["F1", "precision", "recall", "accuracy"]
    assert curves.lines["F1"] == pytest.approx((10.0, 20.0, 30.0))
    assert curves.marks == (2.0,)


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [1e-8, 3e-8], [-5.0, 7.0], [1e6, 2e6], [0.001, 900.0]])
def test_charts_stay_in_their_frame(values: list[float]) -> None:
    log = steps(len(values))
    for line, value in zip(log, values, strict=True):
        line["grad_norm"] = value
    (curves,) = curves_of(run_with(log))
    spec = page_spec(line_chart(curves))
    (low, high), (left, right) = (
        next(layer["encoding"][axis]["scale"]["domain"] for layer in spec["layer"] if "color" in layer["encoding"])
        for axis in ("y", "x")
    )
    assert low <= min(values) <= max(values) <= high
    assert low < high
    assert (left, right) == (1.0, len(values))
    assert all(one["dot"] for one in spec["data"]["values"])
    assert curves.rows[0] == ("1", number(values[0]))
    labels = re.findall(r"text-anchor=\"end\"[^>]*>([^<]+)<", drawn(curves))
    assert 2 <= len(labels) == len(set(labels)) <= 9


def lines_in(svg: str) -> list[str]:
    """The commands of each line's path, of `M` and `L`."""
    return ["".join(re.findall("[ML]", path)) for path in
            re.findall(r'<g class="mark-line[^>]*>(?:<g[^>]*>)*<path[^>]*? d="([^"]*)"', svg)]  # fmt: skip


def tagged(*sentences: tuple[str, str]) -> Predictions:
    """From gold and predicted tags with spaces between them."""
    return Predictions(tagged=tuple(
        TaggedPrediction(tuple(f"w{n}" for n in range(len(gold.split()))), tuple(gold.split()), tuple(found.split()))
        for gold, found in sentences
    ))  # fmt: skip


def test_entities_are_counted_as_seqeval_does() -> None:
    found = label_scores(tagged(("B-PER I-PER O", "B-PER O O"), ("B-LOC O", "B-LOC O"), ("O", "B-ORG")))
    assert [(one.label, one.precision, one.recall, one.f1, one.support) for one in found] == [
        ("LOC", 1.0, 1.0, 1.0, 1),
        ("ORG", 0.0, 0.0, 0.0, 0),
        ("PER", 0.0, 0.0, 0.0, 1),
    ]
    assert label_scores(tagged(("O O", "O O"))) == []


def test_tags_that_are_not_bio_are_labels() -> None:
    found = tagged(("NOUN VERB", "NOUN NOUN"))
    assert [(one.label, one.recall) for one in label_scores(found)] == [("NOUN", 1.0), ("VERB", 0.0)]
    assert confusion(found).counts == ((1, 0), (1, 0))


def test_rare_labels_are_one_in_the_matrix() -> None:
    texts = [TextPrediction("x", f"label {n:02}", f"label {(n + 1) % 40:02}") for n in range(40) for _ in range(40 - n)]
    found = confusion(Predictions(texts=tuple(texts)))
    assert len(found.labels) == 24
    assert found.labels[-1] == OTHER
    assert sum(map(sum, found.counts)) == len(texts)
    assert found.share(0, 1) == 1.0


def test_the_worst_sentences_have_most_wrong_tags_and_the_worst_texts_are_longest() -> None:
    found = worst_predictions(tagged(("O O O", "O O B-X"), ("O O", "B-X B-X"), ("O", "O"), ("O O", "O B-X")))
    assert [(one.number, one.wrong, one.of) for one in found] == [(2, 2, 2), (4, 1, 2), (1, 1, 3)]
    texts = (TextPrediction("ab", "x", "y"), TextPrediction("abcd" * 400, "x", "y"), TextPrediction("abc", "x", "x"))
    first, second = worst_predictions(Predictions(texts=texts))
    assert (first.number, second.number) == (2, 1)
    assert (len(first.text), first.left_out) == (1200, 400)


def test_correct_entities_are_shown_and_correct_parts_of_speech_are_not() -> None:
    for gold, predicted, shown in (
        ("B-X O O", "B-X B-X O", [True, True, False]),
        ("NOUN VERB", "NOUN X", [False, True]),
    ):
        (mistake,) = worst_predictions(tagged((gold, predicted)))
        assert [word.shown for word in mistake.words] == shown


@pytest.mark.parametrize(
    "text, expected",
    [("", "ltr"), ("123 ...", "ltr"), ("plain", "ltr"), ("این خوب است", "rtl"), ("iPhone این گوشی خوب", "rtl"),
     ("שלום", "rtl"), ("a long sentence with one word of این", "ltr"), ("గొప్ప", "ltr")],
)  # fmt: skip
def test_direction(text: str, expected: str) -> None:
    assert direction(text) == expected


def analysis_of(raw: dict[str, Any], folder: Path) -> Analysis:
    file = folder / "analysis.json"
    file.write_text(json.dumps(raw), encoding="utf-8")
    found = read_analysis(file)
    assert found is not None
    return found


def test_the_map_holds_every_point_of_every_state_on_the_same_axes(tmp_path: Path) -> None:
    analysis = analysis_of(made_up(["a", "b", "c"], ["x", "y"]), tmp_path)
    view = map_view(analysis)
    assert view is not None
    assert (view.layer, view.stage, view.layers, view.stages) == ("2", "after", ("2", "3", "4"), ("before", "after"))
    (left, right), (bottom, top) = (view.spec["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in ("x", "y"))
    assert (right - left) / view.spec["width"] == pytest.approx((top - bottom) / view.spec["height"], rel=1e-2)
    for layers in view.points.values():
        for sets in layers.values():
            assert Counter({name: len(points) for name, points in sets.items()}) == {
                "source": 3, "source, transformed": 3, "target": 2,
            }  # fmt: skip
            for x, y in (point for points in sets.values() for point in points):
                assert left < x < right
                assert bottom < y < top
    shown = [(one["x"], one["y"]) for one in view.spec["data"]["values"] if one["set"] == "target"]
    assert shown == view.points["after"]["2"]["target"]
    assert [text for _, _, text, _, _ in view.rows] == ["a", "b", "c", "x", "y"]
    assert [moved is None for *_, moved in view.rows] == [False] * 3 + [True] * 2


def test_a_run_without_rtn_has_a_map_of_two_sets(tmp_path: Path) -> None:
    analysis = analysis_of(made_up(["a"], ["x"], transformed=False), tmp_path)
    assert analysis.sets == ("source", "target")
    assert analysis.tokens == {}
    assert list(analysis.distances["2"]) == ["source and target"]


def test_distances_have_intervals_where_there_are_some(tmp_path: Path) -> None:
    raw = made_up(["a"], ["x"])
    raw["distances"]["after"]["2"]["source-target"]["hausdorff"]["value"] = float("nan")
    raw["distances"]["after"]["2"]["source-target"]["another"] = {"value": 1, "low": None, "high": None}
    found = analysis_of(raw, tmp_path).distances["2"]
    rows = {one.measure: (one.before, one.after) for one in found["source and target"]}
    assert rows["Hausdorff"] == ("4 (3.75\xa0to\xa04.25)", "– (2.25\xa0to\xa02.75)")
    assert rows["another"] == ("–", "1")
    assert [(one.measure, one.after) for one in found["source and transformed source"]] == [("linear CKA", "0.9")]


def test_weights_of_source_sentences_are_those_after_training(tmp_path: Path) -> None:
    raw = made_up(["a", "b"], ["x"])
    weights = analysis_of(raw, tmp_path).weights
    assert weights is not None
    assert (weights.mean, weights.quantiles) == ("1", (("5\xa0%", "0.5"), ("50\xa0%", "1"), ("95\xa0%", "1.5")))
    assert (weights.most, weights.least) == ((("1.5", "a"), ("1.5", "b")), (("0.5", "a"), ("0.5", "b")))
    del raw["weights"]
    assert analysis_of(raw, tmp_path).weights is None


@pytest.mark.parametrize("fault", ["points", "nan", "layers", "weights"])
def test_an_analysis_that_is_not_one_is_refused(fault: str, tmp_path: Path) -> None:
    raw = made_up(["a", "b"], ["x"])
    if fault == "points":
        raw["map"]["points"]["after"]["2"]["source"].pop()
    elif fault == "nan":
        raw["map"]["points"]["after"]["2"]["source"][0][0] = float("nan")
    elif fault == "weights":
        del raw["weights"]["after"]["most"][0]["weight"]
    else:
        raw["layers"] = None
    with pytest.raises(ConfigError, match="is not as 'xlt analyze' writes it"):
        analysis_of(raw, tmp_path)


def test_numbers_in_words() -> None:
    assert [duration(value) for value in (3.14, 61, 3600 * 2 + 120)] == ["3.1 s", "1 min 1 s", "2 h 2 min"]
    assert [size(value) for value in (None, 12, 1.5e6, 2.345e9)] == ["–", "12 B", "2 MB", "2.35 GB"]
    assert mean_and_deviation([0.5], 100) == "50.00"
    assert mean_and_deviation([0.1, 0.3], 100) == "20.00 ± 14.14"
    assert setting({"a": [1, True], "b": None}) == "a=1, yes, b=none"
