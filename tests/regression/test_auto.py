"""`--backend auto`: a trial before training, read_cache, and written down in config.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import short_run
from xltransfer.backends.auto import Auto, modes
from xltransfer.config import RunConfig
from xltransfer.training.backend_selection import FILE
from xltransfer.utils.cache import add_to_cache, cache_folder, read_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_the_fastest_mode_is_taken_written_down_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = []

    def trial(backend: Auto, *_: object) -> dict[str, float]:
        trials.append(backend)
        return {"reverse": 2.0, "forward": 1.0}

    monkeypatch.setattr(Auto, "trial", trial)
    first = short_run(tmp_path / "first", backend="auto")
    written = RunConfig.from_yaml(first.run_dir / "config.yaml")
    assert (written.backend, written.backend_options["mode"]) == ("func", "forward")
    assert first.metrics["meta"]["backend"] == "func"
    second = short_run(tmp_path / "second", backend="auto")
    assert len(trials) == 1
    assert second.metrics["test"] == first.metrics["test"]
    short_run(tmp_path / "third", backend="auto", layer=3)
    assert len(trials) == 2  # another layer, another choice


@pytest.mark.slow
def test_a_trial_times_every_mode_and_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    auto = short_run(tmp_path / "auto", backend="auto")
    mode = RunConfig.from_yaml(auto.run_dir / "config.yaml").backend_options["mode"]
    (timed,) = read_cache(FILE).values()
    assert set(timed) == set(modes())
    assert mode == min(timed, key=timed.get)
    named = short_run(tmp_path / "named", backend="func", backend_options={"mode": mode})
    assert named.metrics["test"] == auto.metrics["test"]


def test_a_damaged_or_unwritable_cache_is_no_fault(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_cache("a.json", "key", 1)
    assert read_cache("a.json") == {"key": 1}
    (cache / "a.json").write_text("{")
    assert read_cache("a.json") == {}
    monkeypatch.setenv("XLT_CACHE", str(cache / "a.json"))  # a file, where a folder is wanted
    add_to_cache("b.json", "key", 1)
    assert read_cache("b.json") == {}


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("XLT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "xltransfer"
