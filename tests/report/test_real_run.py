"""The report of real English-to-Swahili runs, analysed, in headless Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import shared
from tests.report.pages import Open, mark
from xltransfer.analysis.analyze import Settings, analyze
from xltransfer.config import RunConfig
from xltransfer.report.write import write
from xltransfer.training.run import run

pytestmark = pytest.mark.slow


def few_sentences(corpus: Path, folder: Path) -> Path:
    """A copy of an English and a Swahili corpus, each file cut after 80 sentences."""
    for file in [*corpus.glob("en/*"), *corpus.glob("sw/*")]:
        copy = folder / file.parent.name / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("\n\n".join(file.read_text(encoding="utf-8").split("\n\n")[:80]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of joint training and of MetaXL, a few steps each."""
    encoder = shared("encoders/xlmr-mini")
    folder = tmp_path_factory.mktemp("real")
    data = few_sentences(shared("data/ner/wikiann"), folder / "data")
    for method in ("joint", "metaxl"):
        run(RunConfig.from_mapping({"data": str(data), "source": ["en"], "target": "sw",
                                    "encoder": str(encoder), "layer": [3], "method": method,
                                    "lr": 5e-4, "epochs": 1, "source_size": 64, "target_size": 32,
                                    "output": str(folder / method)}))  # fmt: skip
        analyze(folder / method, Settings(sentences=50, resamples=5))
    return [folder / "joint", folder / "metaxl"]


def test_it_can_be_used_and_has_the_numbers_of_the_runs(runs: list[Path], opened: Open) -> None:
    """`opened` fails the test for any message on the console and any request."""
    page = opened(write(runs, runs[0].parent / "both.html").file)
    metrics = [json.loads((one / "metrics.json").read_text()) for one in runs]
    table = page.locator("table.sortable").first
    column = [one.strip("↕ \xa0") for one in table.locator("thead th").all_inner_texts()].index("test F1")

    def shown() -> list[str]:
        return [row.locator("th, td").nth(column).inner_text() for row in table.locator("tbody tr").all()]

    expected = [f"{100 * one['test']['f1']:.2f}" for one in metrics]
    assert shown() == expected
    table.locator("th", has_text="test F1").locator("button").click()
    assert shown() == sorted(expected, key=float, reverse=True)


def test_its_map_tells_sentences_and_shows_other_layers(runs: list[Path], opened: Open) -> None:
    page = opened(write(runs[1:]).file)
    metrics = json.loads((runs[1] / "metrics.json").read_text())
    scores = page.locator("#summary table tbody tr").all_inner_texts()
    for name, line in zip(("dev", "test"), scores, strict=False):
        assert line.split("\t") == [name, *(f"{100 * metrics[name][one]:.2f}" for one in
                                            ("f1", "precision", "recall", "accuracy"))]  # fmt: skip
    found = json.loads((runs[1] / "analysis.json").read_text())
    page.locator("figure.map .drawing").scroll_into_view_if_needed()
    page.mouse.move(*mark(page, "source, transformed", 4))
    told = page.locator("figure.map .tip").inner_text().split("\n")
    assert told[0] == "source, transformed, sentence 5"
    assert told[1][:30] == found["map"]["sentences"]["source"][4][:30]
    before = mark(page, "target", 3)
    page.get_by_label(str(found["layers"][-1]), exact=True).check()
    assert mark(page, "target", 3) != before
