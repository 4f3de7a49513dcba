"""The pages of docs/: their commands run, and their tables are those of the study."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.test_readme import LESS, LESS_SYNTHETIC
from xltransfer.cli.main import status_of

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
STUDY = (ROOT / "benchmarks" / "study" / "results" / "tables.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    commands = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    assert commands
    for command in commands:
        assert command[0] == "xlt"
        assert status_of([*command[1:], *LESS, *LESS_SYNTHETIC]) == 0, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_figures_of_the_study_are_those_of_its_tables() -> None:
    text = (ROOT / "docs" / "does-it-help.md").read_text(encoding="utf-8")
    own = re.compile(r"\| (joint|metaxl|transformation|target-only|frozen|released)\b")
    rows = [line for line in text.splitlines() if own.match(line)]
    assert len(rows) >= 8
    assert [row for row in rows if row not in STUDY] == []
