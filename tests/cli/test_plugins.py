"""Parts of other packages: listed without being imported, and no nuisance while nobody chooses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHORT = ["--epochs", "1", "--source-size", "8", "--target-size", "8", "--data-opt", "train=10", "--data-opt", "dev=4",
         "--data-opt", "test=4", "--quiet"]  # fmt: skip
MODULE = """
import pathlib
pathlib.Path(__file__).with_suffix(".imported").touch()
{body}
"""
RTN = """
import torch
from xltransfer import RTN
class Part(RTN):
    def __init__(self, dim):
        super().__init__()
    def forward(self, hidden, mask, layer):
        return torch.zeros_like(hidden)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Three installed packages: one that raises at import, and two that register one name."""
    install(tmp_path, "broken-package", "raises", 'raise RuntimeError("boom")')
    install(tmp_path, "one-package", "taken", RTN)
    install(tmp_path, "other-package", "taken", RTN)
    return tmp_path


def install(site: Path, package: str, rtn: str, body: str) -> None:
    module = package.replace("-", "_")
    (site / f"{module}.py").write_text(MODULE.format(body=body))
    folder = site / f"{module}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nSummary: about it\n")
    (folder / "entry_points.txt").write_text(f"[xltransfer.rtns]\n{rtn} = {module}:Part\n")


def xlt(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from xltransfer.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=site, env=environment, capture_output=True, text=True, check=False
    )


def imported(site: Path) -> list[str]:
    return sorted(path.stem for path in site.glob("*.imported"))


def test_listing_imports_none_and_names_both_owners_of_a_name(site: Path) -> None:
    listed = xlt(site, "ls", "rtns")
    assert listed.returncode == 0
    assert "raises        about it  (from broken-package)" in listed.stdout
    (conflict,) = (line for line in listed.stdout.splitlines() if "cannot be used" in line)
    assert "one-package" in conflict
    assert "other-package" in conflict
    rows = {row["name"]: row for row in json.loads(xlt(site, "ls", "rtns", "--json").stdout)}
    assert rows["mlp"]["conflict"] is None
    assert "registered twice" in rows["taken"]["conflict"]
    assert imported(site) == []


@pytest.mark.slow
def test_other_parts_run_undisturbed(site: Path) -> None:
    done = xlt(site, "run", *SHORT, "--rtn", "lowrank", "--output", "run")
    assert done.returncode == 0, done.stderr
    assert imported(site) == []


@pytest.mark.slow
def test_a_package_that_raises_is_named_when_it_is_chosen(site: Path) -> None:
    done = xlt(site, "run", *SHORT, "--rtn", "raises", "--output", "run")
    assert done.returncode == 2
    assert "rtn 'raises' of broken-package cannot be imported" in done.stderr
    assert "RuntimeError: boom" in done.stderr
    assert not (site / "run").exists()


@pytest.mark.slow
def test_a_name_of_two_packages_is_refused(site: Path) -> None:
    done = xlt(site, "run", *SHORT, "--rtn", "taken", "--output", "run")
    assert done.returncode == 2
    assert "rtn 'taken' is registered twice: by o" in done.stderr
    assert "one-package" in done.stderr
    assert "other-package" in done.stderr
    assert len(done.stderr.splitlines()) == 1
