"""The report's page in headless Chromium: it opens without a word or a request, can be used, and is accessible.

`make browser` installs what is needed; without it these tests are skipped, and say why.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.analyses import put_into
from tests.report.pages import Open, mark
from xltransfer.report.write import write
from xltransfer.training.run import RunResult

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
SENTENCES = [f"sentence {number}" for number in range(29)] + ["</script><script>alert('text of the data')</script>"]


@pytest.fixture(scope="session")
def reports(finished_runs: dict[str, RunResult], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind of run, one with an analysis, and one of several runs."""
    folder = tmp_path_factory.mktemp("reports")
    runs = {task: folder / task for task in finished_runs}
    for task, run in runs.items():
        shutil.copytree(finished_runs[task].run_dir, run, ignore=shutil.ignore_patterns("model", "rtn"))
    put_into(runs["ner"], SENTENCES, SENTENCES[:20])
    pages = {task: write([run]).file for task, run in runs.items()}
    return {**pages, "several": write(list(runs.values()), folder / "several.html").file}


@pytest.mark.parametrize("name", ["ner", "sentiment", "pos", "several"])
def test_it_opens_in_silence_and_fits_a_phone(name: str, reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports[name], viewport={"width": 360, "height": 700})
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("h1").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("name", ["ner", "sentiment", "several"])
def test_axe_finds_nothing_serious(name: str, scheme: str, width: int, reports: dict[str, Path], opened: Open) -> None:
    if not AXE.is_file():
        pytest.skip("no axe-core; 'make browser' installs it")
    page = opened(reports[name], color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert {"color-contrast"} <= {one["id"] for one in found["passes"]}
    grave = [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_a_point_of_the_map_tells_its_sentence(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"])
    tip = page.locator("figure.map .tip")
    assert not tip.is_visible()
    page.locator("figure.map .drawing").scroll_into_view_if_needed()
    for name, index, heading in (
        ("target", 7, "target"),
        ("source, transformed", 12, "source, transformed"),
        ("source", 29, "source"),
    ):
        page.mouse.move(*mark(page, name, index))
        assert tip.inner_text().split("\n") == [f"{heading}, sentence {index + 1}", SENTENCES[index]]
    page.mouse.move(0, 0)
    assert not tip.is_visible()


def test_the_map_by_keyboard(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"])
    tip = page.locator("figure.map .tip")
    page.locator("input[type=checkbox]").last.focus()
    page.keyboard.press("Tab")
    assert tip.inner_text().startswith("source, sentence 1\n")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("source, sentence 2\n")
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().startswith("source, transformed, sentence 2\n")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert tip.inner_text().startswith("source, sentence 30\n")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_the_map_shows_other_layers_and_the_time_before(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"])
    page.locator("figure.map details summary").click()
    cell = page.locator("figure.map tbody .point").nth(5)
    seen = {(mark(page, "source", 5), cell.inner_text())}
    for label in ("3", "before", "4", "after"):
        page.get_by_label(label, exact=True).check()
        seen.add((mark(page, "source", 5), cell.inner_text()))
    assert len(seen) == 5
    assert page.locator("figure.map caption").inner_text() == "Coordinates, layer 4, after training"
    counts = {"source": 30, "source, transformed": 30, "target": 20}
    assert shown(page) == counts
    page.get_by_label("source", exact=True).uncheck()
    assert shown(page) == {name: count for name, count in counts.items() if name != "source"}


def shown(page: Page) -> Counter[str]:
    """How many marks of each set the map has."""
    return Counter(
        page.evaluate(
            """[...document.querySelectorAll("figure.map .mark-symbol path")]
                .map((path) => path.__data__?.datum?.set).filter((set) => set)"""
        )
    )


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_the_comparison_is_sorted(by: str, reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["several"])
    table = page.locator("table.sortable").first
    heading = table.locator("th", has_text="test accuracy")
    column = [one.strip("↕ \xa0") for one in table.locator("thead th").all_inner_texts()].index("test accuracy")

    def shown() -> list[float]:
        return [float(row.locator("th, td").nth(column).inner_text()) for row in table.locator("tbody tr").all()]

    def sort() -> None:
        if by == "click":
            heading.locator("button").click()
        else:
            heading.locator("button").focus()
            page.keyboard.press("Enter")

    values = shown()
    assert heading.get_attribute("aria-sort") is None
    sort()
    assert (shown(), heading.get_attribute("aria-sort")) == (sorted(values, reverse=True), "descending")
    sort()
    assert (shown(), heading.get_attribute("aria-sort")) == (sorted(values), "ascending")
    table.locator("th button").first.click()
    assert heading.get_attribute("aria-sort") is None
    assert table.locator("tbody th").all_inner_texts() == ["ner", "pos", "sentiment"]


def test_a_chart_tells_its_values(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"])
    figure = page.locator("figure.chart", has_text="Losses")
    tip = figure.locator(".tip")
    figure.locator(".drawing").hover()
    assert tip.inner_text().startswith("step ")
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    figure.locator(".drawing").focus()
    page.keyboard.press("Home")
    first = figure.locator("tbody tr").first.locator("th, td").all_text_contents()
    names = figure.locator("thead th").all_text_contents()
    assert len(first) == len(names) == 3
    assert tip.inner_text().split("\n") == [f"{name} {value}" for name, value in zip(names, first, strict=True)]
    page.keyboard.press("ArrowRight")
    second = figure.locator("tbody tr").nth(1).locator("th").text_content()
    assert tip.inner_text().startswith(f"step {second}\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_have_the_colours_of_the_page(scheme: str, reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"], color_scheme=scheme)
    line, text = page.evaluate(
        """[[".mark-line path", "stroke"], [".mark-text text", "fill"]].map(
            ([selector, name]) => getComputedStyle(document.querySelector(`figure.chart ${selector}`))[name])"""
    )
    first, muted = {"light": ("#0b61a4", "#57606a"), "dark": ("#6cb2ff", "#a3abb5")}[scheme]
    for colour, expected in ((line, first), (text, muted)):
        assert colour == f"rgb({', '.join(str(int(expected[place : place + 2], 16)) for place in (1, 3, 5))})"


def test_charts_are_named_for_screen_readers(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"])
    figures = page.locator("figure:has(> .drawing)").all()
    assert figures
    for figure in figures:
        drawing = figure.locator(".drawing")
        kind = "application" if "map" in (figure.get_attribute("class") or "") else "img"
        assert drawing.get_attribute("role") == kind
        assert (figure.locator("h3, h4").inner_text()) in (drawing.get_attribute("aria-label") or "")
        assert drawing.locator("> div").get_attribute("aria-hidden") == "true"


def test_a_link_to_a_closed_run_opens_it(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["several"])
    assert not page.locator("#run-2-summary").is_visible()
    page.locator("nav a", has_text="sentiment").click()
    page.locator("#run-2-summary").wait_for(state="visible", timeout=5000)


def test_without_scripts_nothing_is_lost(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["ner"], java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert not page.locator("form.controls").is_visible()
    for figure in page.locator("figure").all():
        figure.locator("summary").click()
        assert figure.locator("tbody tr").first.is_visible()


def test_on_paper_there_are_no_controls_and_every_run(reports: dict[str, Path], opened: Open) -> None:
    page = opened(reports["several"])
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("form.controls").first.is_visible()
    assert page.locator("#run-3-summary").is_visible()
    assert page.locator("#run-3-chart-1 svg").first.is_visible()
    line = page.locator("#run-3-chart-1 .mark-line path").first
    assert line.evaluate("(path) => getComputedStyle(path).stroke") == "rgb(11, 97, 164)"
