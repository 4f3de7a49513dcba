"""What a run writes stays in its folder, is no one else's to read, and says nothing of the machine it is on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import SHORT, SYNTHETIC, refused
from xltransfer.cli.main import status_of
from xltransfer.encoders.tiny import Tiny
from xltransfer.training.run import RunResult
from xltransfer.training.run_folder import RunFolder

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))


def test_a_run_whose_model_lies_elsewhere(finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    (run / "model").rename("elsewhere")
    (run / "model").symlink_to(Path("elsewhere").resolve())
    Path("line.txt").write_text("Fi tafa gor.")
    for arguments in (["predict", "run", "--input", "line.txt"], ["evaluate", "run"], ["export", "run", "there"]):
        refused(capsys, arguments, "'run/model' is a link to", "which is not followed")
    assert not Path("there").exists()


def test_an_export_takes_no_file_from_elsewhere(finished_runs: dict[str, RunResult], capsys: Capture) -> None:
    run = Path(shutil.copytree(finished_runs["ner"].run_dir, "run"))
    Path("secret").write_text("mine")
    (run / "model" / "vocab.txt").symlink_to(Path("secret").resolve())
    refused(capsys, ["export", "run", "there"], "vocab.txt' is a link to")
    assert not Path("there").exists()


@pytest.mark.parametrize(
    "name",
    [
        ".metrics.json.partial", "metrics.json", "model", ".model.partial", "rtn", "predictions.test.tsv",
        ".predictions.test.tsv.partial", "checkpoint",
    ],
)  # fmt: skip
def test_nothing_is_written_through_a_link_in_a_run_folder(
    name: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link put there while the run goes on is replaced or refused."""
    Path("outside").mkdir()
    Path("outside", "kept").write_text("kept")
    target = Path("outside") if name in ("model", ".model.partial", "rtn", "checkpoint") else Path("outside", "kept")
    save_samples = RunFolder.save_samples

    def planting(self: RunFolder, run: Any) -> None:
        save_samples(self, run)
        (self.path / name).symlink_to(target.resolve())

    monkeypatch.setattr(RunFolder, "save_samples", planting)
    status = status_of([*SHORT, *SYNTHETIC, "--output", "run"])
    told = capsys.readouterr().err
    assert [path.name for path in Path("outside").iterdir()] == ["kept"]
    assert Path("outside", "kept").read_text() == "kept"
    assert status == (2 if target == Path("outside") else 0), told
    if status == 2:
        assert "is a link to" in told.splitlines()[-1]


@pytest.mark.parametrize("umask, file, folder", [(0o077, 0o600, 0o700), (0o027, 0o640, 0o750), (0o022, 0o644, 0o755)])
def test_the_umask_is_respected(umask: int, file: int, folder: int) -> None:
    before = os.umask(umask)
    try:
        assert status_of([*SHORT, *SYNTHETIC, "--output", "run"]) == 0
    finally:
        os.umask(before)
    for path in [Path("run"), *Path("run").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (folder if path.is_dir() else file), path


def test_what_a_run_writes_tells_nothing_of_user_machine_or_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass
    import socket

    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123")
    shutil.copytree(Tiny.folder, "encoder")
    assert status_of([*SHORT, *SYNTHETIC, "--encoder", "./encoder", "--output", "run"]) == 0
    for name in ("environment.json", "metrics.json", "samples.json", "log.jsonl", "model/config.json", "config.yaml",
                 "model/tokenizer_config.json", "rtn/config.json"):  # fmt: skip
        text = Path("run", name).read_text()
        for secret in (
            "hf_secret",
            "0123456789abcdef0123",
            str(Path.cwd()),
            str(Path.home()) + "/",
            socket.gethostname(),
        ):
            assert secret not in text, (name, secret)
    environment = Path("run", "environment.json").read_text()
    assert f'"{getpass.getuser()}"' not in environment
    assert "/" not in "".join(str(value) for value in json.loads(environment).values())
