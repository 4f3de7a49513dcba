"""README and documentation site: their code runs, their links resolve, their figures are those of the tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import datasets
import pytest

from tests import mirrors
from tests.conftest import SHARED
from tests.documentation import DEMO, PAGES, README, ROOT, SITE, blocks_of, is_run, name_of, options, parse, run_page
from xltransfer.training.run import RunResult

NEEDS = {"how-to/memory": ("accelerate",), "how-to/sweep": ("ray", "optuna"), "how-to/track": ("tensorboard",)}
"""Packages without which a page's commands cannot run."""
CHEAP = {"explanation/differences", "explanation/does-it-help", "how-to/failed-runs", "how-to/interrupted-runs",
         "how-to/published-experiment", "how-to/track", "how-to/use-a-model",
         "reference/configuration"}  # fmt: skip
"""Pages whose commands take less than a second or two."""
PRINTED = {
    "how-to/compare": ("metaxl/frozen", "d90"),
    "how-to/interrupted-runs": ("runs/long is finished",),
    "how-to/own-data": ("target train and target test: 18 sentences in two splits",),
    "how-to/several-sources": ("source batches: near ",),
    "how-to/sweep": ("frozen RTN/layer 2+3", "for the final runs: xlt sweep runs/sweep-search/best.yaml"),
}
"""What some pages promise that their commands print."""
OTHERS = {"--full", "--local-dir", "--logdir", "--multi_gpu", "--nproc_per_node", "--num_processes"}
"""Options of other programs."""
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def runnable() -> list[Any]:
    """The pages with something to run; all but the cheap ones are slow."""
    return [
        pytest.param(page, id=name_of(page), marks=() if name_of(page) in CHEAP else pytest.mark.slow)
        for page in PAGES
        if is_run(page)
    ]


@pytest.mark.parametrize("page", runnable())
def test_commands_and_code_run(
    page: Path,
    empty_folder: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, text = name_of(page), page.read_text(encoding="utf-8")
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    if "../shared/" in text and not SHARED.exists():
        pytest.skip("the corpora are not beside this checkout (../shared)")
    mirror = None
    if "wikiann" in text:
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(empty_folder / "arrow"))
        mirror = mirrors.wikiann(empty_folder / "mirror", ("en", "es", "qu"), copies=20)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    finished: dict[str, RunResult] = request.getfixturevalue("finished_runs") if "make demo" in text else {}
    run_page(page, finished["ner"].run_dir if finished else None, mirror)
    printed = "".join(capsys.readouterr())
    assert [words for words in PRINTED.get(name, ()) if words not in printed] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_known_to_the_command_line(page: Path) -> None:
    """Those that cannot run here too."""
    for block in blocks_of(page):
        for words in block.commands:
            parse(words)
    text = page.read_text(encoding="utf-8")
    named = {option for span in re.findall(r"`(--[^`]*)`", text) for option in re.findall(r"(?<!\S)--[\w-]+", span)}
    assert named - options() - OTHERS == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_has_a_reason(page: Path) -> None:
    text, found = page.read_text(encoding="utf-8"), blocks_of(page)
    assert text.count("<!-- not run") == len([block for block in found if len(block.reason.split()) > 1])
    assert {block.language for block in found} <= {"bash", "python", "toml", "yaml", "text", "{toctree}", "{eval-rst}",
                                                   "{include}"}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = [
        (page.parent / line).relative_to(SITE)
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "{toctree}"
        for line in block.text.splitlines()
        if line and not line.startswith(":")
    ]
    assert sorted(map(str, listed)) == sorted({name_of(page) for page in PAGES} - {"README", "index"})


def test_the_readme_is_short_and_begins_with_two_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    first = next(block for block in blocks_of(README) if block.language == "bash")
    assert [words[:2] for words in first.commands] == [["make", "demo"], ["make", "test"]]
    assert DEMO in text


def test_the_plugin_of_the_guide_is_a_package_of_the_repository() -> None:
    """`make test-all` installs and tests it."""
    folder = ROOT / "plugins" / "xltransfer-shift"
    texts = [block.text for block in blocks_of(SITE / "how-to" / "own-rtn.md")]
    for name in ("shift.py", "pyproject.toml"):
        assert f"# {name}\n{(folder / name).read_text(encoding='utf-8')}" in texts


def test_figures_of_the_study_are_those_of_its_tables() -> None:
    study = (ROOT / "benchmarks" / "study" / "results" / "tables.md").read_text(encoding="utf-8").splitlines()
    text = (SITE / "explanation" / "does-it-help.md").read_text(encoding="utf-8")
    own = re.compile(r"\| (joint|metaxl|transformation|target-only|frozen|released)\b")
    rows = [line for line in text.splitlines() if own.match(line)]
    assert len(rows) >= 8
    assert [row for row in rows if row not in study] == []
    means = re.findall(r"^\| \S+ − joint \| ([^|]+) \|", "\n".join(rows), flags=re.MULTILINE)
    readme = README.read_text(encoding="utf-8").replace("−", "-")
    assert len([mean for mean in means if mean in readme]) >= 4
