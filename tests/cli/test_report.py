"""`xlt report`: what the page says, that it needs nothing beside itself, and what is refused."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.analyses import put_into
from tests.pages import FETCHED, Page
from tests.refusals import SHORT, SYNTHETIC, refused
from xltransfer.cli.main import status_of
from xltransfer.report import write
from xltransfer.training.run import RunResult

pytestmark = pytest.mark.usefixtures("empty_folder")
Capture = pytest.CaptureFixture[str]
Runs = dict[str, RunResult]
SCRIPT = "</script><script>alert(1)</script>"


def copied(runs: Runs, task: str = "ner", name: str = "run") -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(runs[task].run_dir, name, ignore=shutil.ignore_patterns("model", "rtn")))


def page_of(*runs: Path) -> Page:
    assert status_of(["report", *map(str, runs), "--output", "page.html"]) == 0
    return Page(Path("page.html").read_text(encoding="utf-8"))


def change(run: Path, name: str, **values: Any) -> None:
    """Other values in config.yaml or metrics.json."""
    file = run / name
    plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**plain, **values}), encoding="utf-8")


@pytest.mark.parametrize("task", ["ner", "sentiment", "pos"])
def test_the_numbers_are_those_of_the_run(finished_runs: Runs, task: str) -> None:
    run = finished_runs[task]
    page = page_of(run.run_dir)
    shown = {cell.attributes["data-score"]: cell.text for cell in page.found("td") if "data-score" in cell.attributes}
    parts = {"dev": run.dev, "test": run.test, "majority": run.majority}
    assert shown == {
        f"{part} {name}": f"{100 * value:.2f}"
        for part, scores in parts.items()
        for name, value in scores.to_dict().items()
    }
    facts = dict(zip(*([one.text for one in page.found(tag)] for tag in ("dt", "dd")), strict=True))
    assert facts["task"] == task
    assert facts["source → target"] == "base → far"
    assert facts["epoch chosen"] == "1 of 1"
    assert (facts["method"], facts["at layer"], facts["backend"]) == ("metaxl", "2", "func")
    command = f"xlt run --config {run.run_dir}/config.yaml --output {run.run_dir}-again"
    assert command in [one.text for one in page.found("code")]
    assert len(page.found("table", class_="labels")) == 1
    matrix = page.found("table", class_="matrix")
    assert bool(matrix) == (task != "ner")


def test_the_matrix_counts_every_prediction(finished_runs: Runs) -> None:
    page = page_of(finished_runs["pos"].run_dir)
    counts = [int(one.text) for one in page.found("td") if "--share" in one.attributes.get("style", "")]
    right = [int(one.text) for one in page.found("td", class_="right")]
    lines = (finished_runs["pos"].run_dir / "predictions.test.tsv").read_text(encoding="utf-8").split("\n")
    assert sum(counts) == sum(map(bool, lines))
    assert sum(right) / sum(counts) == pytest.approx(finished_runs["pos"].test.accuracy)


def test_nothing_is_loaded_from_elsewhere(finished_runs: Runs) -> None:
    run = copied(finished_runs)
    put_into(run)
    assert status_of(["report", str(run)]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(text.encode()) < 6_000_000
    (library,) = (one for one in page.found("script") if len(one.text) > 100_000)  # the charts' library, once
    own = "".join(text.split(library.parts[0]))
    assert len(own) == len(text) - len(library.parts[0])
    addresses = [value for one in page.elements for name, value in one.attributes.items() if name in FETCHED]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses} <= set(ids)
    for word in ("http:", "https:", "@import", "url(", "fetch(", "XMLHttp"):
        assert word not in own, word
    (policy,) = page.found("meta", http_equiv="Content-Security-Policy")
    assert policy.attributes["content"].startswith("default-src 'none'")
    assert "unsafe-eval" not in policy.attributes["content"]


def test_text_of_the_data_stays_text(finished_runs: Runs) -> None:
    run = copied(finished_runs)
    put_into(run)
    harmless = page_of(run)
    put_into(run, [SCRIPT, "<!--", "&amp;"], [SCRIPT] * 3)
    change(run, "config.yaml", target=f"<img src=x onerror=alert(1)>{SCRIPT}", encoder='"><b id="x">')
    meta = json.loads((run / "metrics.json").read_text())["meta"]
    change(run, "metrics.json", meta={**meta, "target": SCRIPT, "rtn": "<img src=x>"})
    rows = [f"{word}\tO\tB-<img/src=x>" for word in (SCRIPT, "<img src=x>", "{{ 7 * 7 }}", "'\"><svg onload=x>")]
    (run / "predictions.test.tsv").write_text("\n".join([*rows, "", "x\tB-PER\tB-PER", "", ""]), encoding="utf-8")
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 1, "epoch": 1, "warning": SCRIPT}) + "\n")
        log.write(json.dumps({"step": 1, "epoch": 1, SCRIPT: 1.0}) + "\n")
    page = page_of(run)
    assert len(page.found("script")) == len(harmless.found("script")) + 1  # a chart of the figure added to the log
    assert not page.found("img")
    assert not page.found("b")
    assert any(SCRIPT in one.text for one in page.found("p", class_="sentence"))
    assert any(SCRIPT in one.text for one in page.found("td", class_="text"))
    assert any("{{ 7 * 7 }}" in one.text for one in page.found("bdi"))
    specs = [json.loads(one.text) for one in page.found("script", class_="spec")]
    (own,) = (spec for spec in specs if SCRIPT.lower() in spec["description"].lower())
    assert {one["name"] for one in own["data"]["values"]} == {SCRIPT}
    for spec in specs:
        assert all(SCRIPT not in text for text in named_code(spec))
    (points,) = page.found("script", class_="points")
    assert set(json.loads(points.text)) == {"before", "after"}


def named_code(spec: Any) -> list[str]:
    """What Vega reads as field names and expressions, wherever it is in a specification."""
    if isinstance(spec, list):
        return [text for one in spec for text in named_code(one)]
    if not isinstance(spec, dict):
        return []
    own = [value for key, value in spec.items() if key in ("field", "filter", "calculate", "expr", "test", "as")]
    return [*map(str, own), *(text for key, value in spec.items() if key != "values" for text in named_code(value))]


def test_right_to_left_sentences(finished_runs: Runs) -> None:
    run = copied(finished_runs, "sentiment")
    texts = ["Samsung این گوشی خیلی خوب است", "a plain sentence", "గొప్ప చిత్రం"]
    lines = [f"{text}\tpositive\tnegative" for text in texts]
    (run / "predictions.test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shown = {one.text: one.attributes["dir"] for one in page_of(run).found("p", class_="sentence")}
    assert shown == {texts[0]: "rtl", texts[1]: "ltr", texts[2]: "ltr"}


def test_the_language_of_real_data_is_named(finished_runs: Runs) -> None:
    run = copied(finished_runs)
    assert all("lang" not in one.attributes for one in page_of(run).found("p", class_="sentence"))
    meta = json.loads((run / "metrics.json").read_text())["meta"]
    change(run, "metrics.json", meta={**meta, "target": "mt_mudt"})
    change(run, "config.yaml", data="somewhere")
    assert {one.attributes["lang"] for one in page_of(run).found("p", class_="sentence")} == {"mt"}


def test_several_runs(finished_runs: Runs) -> None:
    first, second, third = (copied(finished_runs, "ner", name) for name in ("a", "b", "c"))
    change(second, "config.yaml", seed=12)
    scores = json.loads((second / "metrics.json").read_text())["test"]
    change(second, "metrics.json", test={**scores, "f1": 0.75})
    change(third, "config.yaml", method="joint")
    meta = json.loads((third / "metrics.json").read_text())["meta"]
    change(third, "metrics.json", meta={**meta, "method": "joint", "rtn": None, "backend": None})
    page = page_of(first, second, third, first)
    assert page.found("h1")[0].text == "3 runs compared"
    tables = page.found("table", class_="sortable")
    headings = [one.text for one in page.found("th", scope="col")]
    assert headings[:5] == ["run", "method", "seed", "test F1", "dev F1"]
    values = [100 * finished_runs["ner"].test.f1, 75.0]
    assert f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}" in tables[1].text
    assert f"joint 1 {values[0]:.2f}" in tables[1].text
    assert [one.text for one in page.found("h2")] == ["Comparison", "a", "b", "c"]
    assert not page.found("p", class_="warning")


def test_a_folder_of_runs_stands_for_the_finished_ones(finished_runs: Runs, capsys: Capture) -> None:
    for name in ("runs/a", "runs/b", "runs/unfinished"):
        copied(finished_runs, "ner", name)
    Path("runs/unfinished/metrics.json").unlink()
    Path("runs/index.json").write_text("{}")
    assert status_of(["report", "runs"]) == 0
    assert capsys.readouterr().out == "report: runs/report.html\n"
    page = Page(Path("runs/report.html").read_text(encoding="utf-8"))
    assert [one.text for one in page.found("h2")] == ["Comparison", "a", "b"]


def test_a_page_too_large_leaves_the_maps_out(
    finished_runs: Runs, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = copied(finished_runs, "ner", "a"), copied(finished_runs, "ner", "b")
    put_into(first, ["x" * 300] * 100, ["y"])
    page_of(first, second)
    monkeypatch.setattr(write, "LARGEST", Path("page.html").stat().st_size - 1)
    page = page_of(first, second)
    assert not page.found("figure", class_="map")
    assert any("The map is left out" in one.text for one in page.found("p"))
    assert page.found("table", class_="intervals")
    monkeypatch.setattr(write, "LARGEST", 1000)
    refused(capsys, ["report", "a", "b", "--output", "other.html"], "a report of these 2 would have")


def test_runs_that_cannot_be_compared_say_so(finished_runs: Runs) -> None:
    first, second = copied(finished_runs, "ner", "a"), copied(finished_runs, "ner", "b")
    lines = (second / "predictions.test.tsv").read_text().split("\n")
    (second / "predictions.test.tsv").write_text("\n".join(lines[lines.index("") + 1 :]))
    (warning,) = page_of(first, second).found("p", class_="warning")
    assert "same test sentences" in warning.text
    (warning,) = page_of(first, finished_runs["pos"].run_dir).found("p", class_="warning")
    assert "different tasks" in warning.text


def test_a_run_of_somebody_elses_code_is_shown_and_not_run(finished_runs: Runs) -> None:
    run = copied(finished_runs)
    change(run, "config.yaml", task="evil.module:Task", plugin=["mine.py"])
    Path("mine.py").write_text("open('executed', 'w')")
    page = page_of(run)
    assert not Path("executed").exists()
    command = "xlt run --config run/config.yaml --output run-again --plugin mine.py --task evil.module:Task"
    assert command in [one.text for one in page.found("code")]


def test_a_report_is_replaced_and_the_same_again(finished_runs: Runs, capsys: Capture) -> None:
    run = copied(finished_runs)
    texts = []
    for _ in range(2):
        capsys.readouterr()
        assert status_of(["report", str(run), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found == {"report": "run/report.html", "bytes": (run / "report.html").stat().st_size, "figures": []}
        texts.append((run / "report.html").read_bytes())
    assert texts[0] == texts[1]
    assert not list(run.glob(".*.partial"))


@pytest.mark.parametrize("method", ["metaxl", "joint"])
def test_what_analyze_writes_is_shown(method: str) -> None:
    assert status_of([*SHORT, *SYNTHETIC, "--method", method, "--output", "run"]) == 0
    assert status_of(["analyze", "run", "--quiet", "--sentences", "6", "--resamples", "3"]) == 0
    page = page_of(Path("run"))
    analysis = json.loads(Path("run/analysis.json").read_text())
    sentences = [text for part in ("source", "target") for text in analysis["map"]["sentences"][part]]
    assert [one.text for one in page.found("td", class_="text")] == sentences
    shown = analysis["map"]["points"]["after"]["2"]
    (spec,) = (json.loads(one.text) for one in page.found("script", class_="spec") if '"set"' in one.text)
    names = {"source, transformed": "transformed"}
    found: dict[str, list[list[float]]] = {}
    for one in spec["data"]["values"]:
        found.setdefault(names.get(one["set"], one["set"]), []).append([one["x"], one["y"]])
    assert found.keys() == shown.keys()
    assert all(found[name] == [pytest.approx(point, rel=1e-4) for point in points] for name, points in shown.items())
    tables = [one.text for one in page.found("table", class_="intervals")]
    assert len(tables) == len(analysis["layers"])
    assert all("classifier accuracy" in text for text in tables)
    assert ("transformed source and target" in tables[0]) == (method == "metaxl")


@pytest.mark.slow
def test_figures(finished_runs: Runs, capsys: Capture) -> None:
    run = copied(finished_runs, "sentiment")
    put_into(run)
    assert status_of(["report", str(run), "--figures", "figures"]) == 0
    assert "figures: figures (12 files)" in capsys.readouterr().out
    starts = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}
    for name in ("curves", "labels", "confusion", "map"):
        for kind, start in starts.items():
            assert Path("figures", f"{name}.{kind}").read_bytes().startswith(start)
    refused(capsys, ["report", str(run), "--figures", "figures"], "figures: 'figures' exists")


@pytest.mark.slow
def test_run_names_the_report_or_writes_it(capsys: Capture) -> None:
    assert status_of([*SHORT, *SYNTHETIC, "--output", "one"]) == 0
    assert capsys.readouterr().out.endswith("run folder: one\nreport: xlt report one\n")
    assert not Path("one/report.html").exists()
    assert status_of([*SHORT, *SYNTHETIC, "--output", "two", "--report"]) == 0
    assert capsys.readouterr().out.endswith("run folder: two\nreport: two/report.html\n")
    assert Path("two/report.html").is_file()
    assert status_of([*SHORT, *SYNTHETIC, "--output", "three", "--report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == "three/report.html"


def test_refusals(finished_runs: Runs, capsys: Capture) -> None:
    run = copied(finished_runs)
    Path("notes.html").write_text("<p>mine</p>")
    Path("link.html").symlink_to("notes.html")
    Path("plain").mkdir()
    unfinished = copied(finished_runs, "ner", "unfinished")
    (unfinished / "metrics.json").unlink()
    good = ["report", str(run)]
    refused(capsys, ["report", "absent"], "run: 'absent' is not a folder")
    refused(capsys, ["report", "plain"], "'plain' holds no config.yaml")
    refused(capsys, ["report", str(run), "unfinished"], "'unfinished' is not finished", "xlt run --resume unfinished")
    refused(capsys, [*good, "--output", "notes.html"], "'notes.html' exists and is no report")
    refused(capsys, [*good, "--output", "plain"], "'plain' is a folder", "plain/report.html")
    refused(capsys, [*good, "--output", "nowhere/x.html"], "'nowhere' is not a folder")
    refused(capsys, [*good, "--output", "link.html"], "link")
    assert Path("notes.html").read_text() == "<p>mine</p>"
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("metrics.json", "{", "metrics.json' cannot be read"),
        ("metrics.json", "[]", "holds a list"),
        ("metrics.json", '{"task": "ner"}', "it lacks 'dev'"),
        ("log.jsonl", '{"step": 1, "epoch": 1}\n{"st', "line 2"),
        ("log.jsonl", '{"step": "x", "epoch": 1}\n', "line 1"),
        ("log.jsonl", '{"step": Infinity, "epoch": 1}\n', "line 1"),
        ("log.jsonl", '{"step": 1, "epoch": 1, "dev": {"f1": 1}}\n', "line 1"),
        ("predictions.test.tsv", "word\tO\n", "line 1, is not as it was written: 2 columns"),
        ("analysis.json", '{"layers": [2]}', "is not as 'xlt analyze' writes it"),
        ("analysis.json", "null", "is not as 'xlt analyze' writes it"),
    ],
)
def test_damaged_files(finished_runs: Runs, capsys: Capture, name: str, text: str, expected: str) -> None:
    run = copied(finished_runs)
    (run / name).write_text(text)
    refused(capsys, ["report", str(run)], expected)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("name", ["steps", "seconds", "best_epoch", "peak_memory_bytes"])
@pytest.mark.parametrize("value", ["12", [], float("nan"), True])
def test_metrics_that_are_no_numbers(finished_runs: Runs, capsys: Capture, name: str, value: object) -> None:
    run = copied(finished_runs)
    change(run, "metrics.json", **{name: value})
    refused(capsys, ["report", str(run)], "metrics.json' is not as it was written")


def test_links_out_of_a_run_are_not_followed(finished_runs: Runs, capsys: Capture) -> None:
    run = copied(finished_runs)
    Path("secret").write_text("a\tO\tO\n\n")
    (run / "predictions.test.tsv").unlink()
    (run / "predictions.test.tsv").symlink_to(Path("secret").resolve())
    refused(capsys, ["report", str(run)], "is a link")
