"""Help, completion and version: what guides somebody who does not know the options yet."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
import typer

from tests.refusals import refused
from xltransfer.cli.main import app, status_of
from xltransfer.cli.options import flags_normalised, panel_of
from xltransfer.config import GROUPS, RunConfig

Capture = pytest.CaptureFixture[str]


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by name, in the order of its help."""
    found: Any = typer.main.get_command(app)
    return {option.name: option for option in found.commands[command].params}


@pytest.mark.parametrize("command", ["run", "compare"])
def test_every_field_is_in_the_panel_of_its_group_and_the_twelve_most_used_come_first(command: str) -> None:
    options = options_of(command)
    for spec in fields(RunConfig):
        assert options[spec.name].rich_help_panel == panel_of(spec)
        assert options[spec.name].help.startswith(spec.metadata["help"])
    common = [spec.name for spec in fields(RunConfig) if spec.metadata["common"]]
    assert list(options)[:12] == common
    panels = list(dict.fromkeys(option.rich_help_panel for option in options.values() if option.rich_help_panel))
    assert panels == ["Most used", *map(str.capitalize, GROUPS)]


def test_defaults_and_choices_are_shown(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert status_of(["run", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for shown in ("[default: metaxl]", "fp32|tf32|bf16", "[default: 0.001; 0 or more]",
                  "[default: 11; 0 to 4294967295]", "--bucket", "--no-bucket",
                  "(default: the dataset's)"):  # fmt: skip
        assert shown in printed


@pytest.mark.parametrize(
    "given, read",
    [
        (["run", "--bucket", "yes", "--seed", "1"], ["run", "--bucket", "--seed", "1"]),
        (["run", "--bucket=no"], ["run", "--no-bucket"]),
        (["run", "--bucket", "--no-compile", "--quiet"], ["run", "--bucket", "--no-compile", "--quiet"]),
        (["compare", "--bucket", "no", "--bucket", "yes"], ["compare", "--bucket", "no", "--bucket", "yes"]),
        (["compare", "--bucket", "--no-bucket"], ["compare", "--bucket", "yes", "--bucket", "no"]),
        (["bench", "--compile", "--quiet"], ["bench", "--compile", "--quiet"]),
        ([], []),
    ],
)
def test_switches_are_read_with_and_without_a_value(given: list[str], read: list[str]) -> None:
    assert flags_normalised(given) == read


def test_another_value_of_a_switch_is_refused(capsys: Capture) -> None:
    refused(capsys, ["run", "--bucket", "maybe"], "bucket: received 'maybe'; allowed: --bucket or --no-bucket.")


def test_version(capsys: Capture) -> None:
    assert status_of(["--version"]) == 0
    assert capsys.readouterr().out == "xltransfer 0.1.0\n"


def test_names_of_parts_are_completed() -> None:
    completed = options_of("run")["rtn"].shell_complete(None, "l")
    assert [one.value for one in completed] == ["lowrank"]


def test_help_is_shown_without_importing_torch() -> None:
    code = ("import sys; from xltransfer.cli.main import status_of; status_of(['run', '--help']); "
            "sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
