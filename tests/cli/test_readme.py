"""Every command and the Python of the README run as printed, on less data."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import datasets
import pytest
import yaml

from tests import mirrors
from tests.conftest import SHARED, shared
from tests.sweeping import without_processes
from xltransfer.cli.main import status_of

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")
OWN = "Your own RTN"
LESS = [
    "--source-size",
    "16",
    "--target-size",
    "8",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--quiet",
    "--max-length",
    "48",
]
LESS_SYNTHETIC = ["--data-opt", "train=20", "--data-opt", "dev=10", "--data-opt", "test=10"]


def blocks(language: str, heading: str) -> list[str]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)


def commands(heading: str) -> list[list[str]]:
    lines = [line for block in blocks("bash", heading) for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines]


def test_first_screen_has_the_two_commands() -> None:
    first = TEXT.splitlines()[:20]
    makefile = README.with_name("Makefile").read_text()
    for target in ("demo", "test"):
        assert any(line.startswith(f"make {target}") for line in first)
        assert f"\n{target}: " in makefile


def test_use_section_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(["run", *LESS, *LESS_SYNTHETIC]) == 0
    for command in commands("Use"):
        if command[0] == "echo":  # the pipe itself is tested with standard input in test_commands
            Path("line.txt").write_text(command[1])
            command = [*command[command.index("xlt") :], "--input", "line.txt"]
        more = [*LESS, *LESS_SYNTHETIC] if command[1] == "run" else []
        assert status_of([*command[1:], *more]) == 0, command


@pytest.mark.slow
def test_comparing_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands("Comparing"):
        # an option that is there twice would be varied
        less = {*LESS[::2], "--seed"}
        own = [part for place, part in enumerate(command) if not {command[place - 1], part} & less]
        assert status_of([*own[1:], *LESS, *LESS_SYNTHETIC, "--seed", "1"]) == 0, command
    assert "metaxl/frozen" in (printed := capsys.readouterr().out)
    assert "d90" in printed
    assert Path("gain.svg").is_file()


@pytest.mark.slow
def test_reports_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands("Reports"):
        less = {"run": [*LESS, *LESS_SYNTHETIC], "analyze": ["--quiet", "--resamples", "5"]}
        assert status_of([*command[1:], *less.get(command[1], [])]) == 0, command
    assert Path("runs/one/report.html").is_file()
    assert "2 runs compared" in Path("both.html").read_text(encoding="utf-8")
    assert Path("figures/comparison.pdf").is_file()


@pytest.mark.slow
def test_sweeping_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As printed, but on less data, and without processes but for Ray's."""
    pytest.importorskip("optuna")
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    less = {"source_size": 16, "target_size": 8, "epochs": 1, "batch_size": 8, "max_length": 48,
            "data_options": {"train": 20, "dev": 10, "test": 10}}  # fmt: skip
    for block in blocks("yaml", "Sweeping"):
        content = yaml.safe_load(block)
        content["values"] |= less
        name = block.splitlines()[0].removeprefix("# ")
        Path(name).write_text(yaml.safe_dump({**content, "seeds": [0]} if name == "sweep.yaml" else content))
    for command in commands("Sweeping"):
        with nullcontext() if "ray" in command else without_processes():
            assert status_of([*command[1:], "--quiet"]) == 0, command
    printed = capsys.readouterr().out
    assert "frozen RTN/layer 2+3" in printed
    assert "for the final runs: xlt sweep runs/sweep-search/best.yaml --output runs/sweep-search" in printed


def test_interrupted_runs_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = commands("Interrupted runs")
    assert status_of([*first[1:], *LESS, *LESS_SYNTHETIC]) == 0
    assert status_of(second[1:]) == 0
    assert "runs/long is finished" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_processes_and_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun as the module it is, so that another program's port is no trouble."""
    pytest.importorskip("accelerate")
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    accumulated, (launcher, *launched), tracked = commands("Less memory, several processes, trackers")
    assert launcher == "torchrun"
    assert status_of([*accumulated[1:], *LESS, *LESS_SYNTHETIC]) == 0
    module = [sys.executable, "-m", "torch.distributed.run", "--standalone", *launched, *LESS, *LESS_SYNTHETIC]
    done = subprocess.run(
        module, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder: runs/two") == 1
    assert status_of([*tracked[1:], *LESS, *LESS_SYNTHETIC]) == 0
    assert list(Path("runs/tracked/tensorboard").glob("events.*"))


@pytest.mark.slow
@pytest.mark.parametrize("command", commands("Real data"), ids=lambda command: "-".join(command[2:8:2]))
def test_real_data_commands_run(command: list[str], tmp_path: Path) -> None:
    shared("data")
    shared("encoders/xlmr-mini")
    found = [argument.replace("../shared", str(SHARED)) for argument in command[1:]]
    assert status_of([*found, *LESS, "--output", str(tmp_path / "run")]) == 0


@pytest.mark.slow
def test_corpora_and_recipes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, but with a mirror in the hub's place and the embedded encoder in XLM-R's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "arrow"))
    mirror = ["--data-opt", f"mirror={mirrors.wikiann(tmp_path / 'mirror', ('en', 'es', 'qu'))}"]
    cut = ["--quiet", "--source-size", "4", "--target-size", "4", "--batch-size", "4", "--epochs", "1"]
    for command in commands("Named corpora, and the paper's experiments"):
        more = [*mirror, *cut] if command[1] == "run" else mirror if command[2] == "show" else []
        more += ["--encoder", "tiny", "--layer", "2", "--max-length", "32"] if "--recipe" in command else []
        assert status_of([*command[1:], *more]) == 0, command


@pytest.mark.slow
def test_data_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shared("data")
    shared("encoders/xlmr-mini")
    monkeypatch.chdir(tmp_path)
    for command in commands("Looking at data before training"):
        assert status_of([argument.replace("../shared", str(SHARED)) for argument in command[1:]]) == 0, command
    assert "target train and target test: 18 sentences in two splits" in capsys.readouterr().out


@pytest.mark.slow
def test_parts_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands("Parts"):
        assert status_of([*command[1:], *LESS, *LESS_SYNTHETIC]) == 0, command


def test_several_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands("Several source languages"):
        more = [*LESS, *LESS_SYNTHETIC] if command[1] == "run" else []
        assert status_of([*command[1:], *more]) == 0, command
    assert "source batches: near " in capsys.readouterr().out
    assert "Mixture of source languages" in Path("runs/mixed/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_bench_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second as printed, but on the embedded encoder, which has fewer layers."""
    monkeypatch.chdir(tmp_path)
    small = ["--repeats", "1", "--batch-size", "2", "--length", "4", "--quiet"]
    for command in commands("Cost"):
        arguments = [{"random:xlm-roberta-base": "tiny", "12": "4"}.get(word, word) for word in command[1:]]
        assert status_of([*arguments, *small]) == 0, command


@pytest.mark.slow
def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python", "Use")
    exec(compile(code.replace("epochs=1", "epochs=1, source_size=16"), "README", "exec"), {})
    assert (tmp_path / "runs" / "from-python" / "metrics.json").is_file()


@pytest.mark.slow
def test_own_rtn_from_an_empty_folder(tmp_path: Path) -> None:
    """The README, literally; only the place of installation is another (`--target`), so that nothing else sees it."""
    (code,), (project,) = blocks("python", OWN), blocks("toml", OWN)
    (tmp_path / "shift.py").write_text(code)
    (tmp_path / "pyproject.toml").write_text(project)
    site = tmp_path / "site"
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    printed = []
    for command in commands(OWN):
        if command[:2] == ["xlt", "run"]:
            command += [*LESS, *LESS_SYNTHETIC]
        if command[0] == "pip":
            command += ["--no-deps", "--no-build-isolation", "--quiet", "--target", str(site)]
            environment["PYTHONPATH"] = str(site)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        printed.append(done.stdout)
    assert len(printed) == 5
    assert "shift         adds one learned vector  (from xltransfer-shift)" in printed[3]
    assert "run folder: runs/ner-base-far-metaxl-seed11-2" in printed[4]


def test_the_first_plugin_is_the_one_of_the_readme() -> None:
    folder = README.with_name("plugins") / "xltransfer-shift"
    for language, name in (("python", "shift.py"), ("toml", "pyproject.toml")):
        (block,) = blocks(language, OWN)
        assert block == f"# {name}\n{(folder / name).read_text(encoding='utf-8')}"


@pytest.mark.slow
def test_own_backend_runs_as_printed(tmp_path: Path) -> None:
    (code,) = blocks("python", "Your own backend")
    (tmp_path / "ordinary.py").write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ((_, *command),) = commands("Your own backend")
    held = "from ordinary import Ordinary; from xltransfer.testing import check_backend; print(check_backend(Ordinary))"
    run = ["-c", "from xltransfer.cli.main import main; main()", *command, *LESS, *LESS_SYNTHETIC]
    for arguments in (run, ["-c", held]):
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
