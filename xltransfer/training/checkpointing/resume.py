"""From the folder of an interrupted run to where it goes on, or one line on why it cannot."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig, read_yaml
from xltransfer.errors import CheckpointError, ConfigError
from xltransfer.registry.trusted_code import flags_of
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.checkpointing.checkpoint import Checkpoint
from xltransfer.training.checkpointing.saver import run_identity
from xltransfer.training.progress import Reporter

FREE = ("output", "checkpoint_steps", "checkpoint_minutes", "skip_nonfinite", "accumulate", "track")
"""Fields that change nothing before a checkpoint, nor what a step after it is meant to compute: they may differ when a
run is continued."""


@dataclass(frozen=True)
class ResumePoint:
    """The configuration of an interrupted run, and its newest readable checkpoint; None: it was killed before one."""

    config: RunConfig
    checkpoint: Checkpoint | None


def resume_command(run_dir: Path, config: RunConfig) -> str:
    """What continues a run; the code of others that it runs is named anew."""
    return f"xlt run --resume {shlex.quote(str(run_dir))} {flags_of(config.to_dict())}".rstrip()


def read_run_config(run_dir: Path, wanted: RunConfig | None) -> RunConfig:
    """What config.yaml holds. Raises ConfigError, also where `wanted` asks for another run.

    Code that the file names is loaded only if `wanted` names it too.
    """
    file = run_dir / "config.yaml"
    if not file.is_file():
        raise ConfigError([f"resume: {str(run_dir)!r} holds no config.yaml; give the folder of an interrupted run."])
    try:
        if wanted is None:
            return RunConfig.from_yaml(file).validated()
        saved = RunConfig.from_mapping(read_yaml(file))  # compared, and not loaded
    except ConfigError as error:
        raise ConfigError([f if str(file) in f else f"resume: {file}: {f}" for f in error.faults]) from error
    wanted = wanted.validated()
    differing = _differences(
        run_identity(wanted)["config"], run_identity(saved)["config"], "given", "in its config.yaml"
    )
    if wanted.output not in (None, saved.output) and Path(wanted.output or "").resolve() != run_dir.resolve():
        differing.append(f"output: {wanted.output!r} given, but a run is continued in its own folder")
    if differing:
        raise ConfigError([f"resume: {str(run_dir)!r} is another run: {'; '.join(differing)}. Leave such options out, "
                           "or start a run of its own without --resume."])  # fmt: skip
    return dataclasses.replace(wanted, output=saved.output)


def find_resume_point(run_dir: Path, config: RunConfig, reporter: Reporter) -> ResumePoint:
    """Where a run goes on. Raises CheckpointError if no checkpoint can be read, or the newest is of another run."""
    found = _newest_readable(run_dir, reporter)
    if found is None:
        reporter.note(f"{run_dir} has no checkpoint yet: starting over")
        return ResumePoint(config, None)
    facts, here = found.metadata, run_identity(config)
    if facts["xltransfer"] != here["xltransfer"]:
        raise CheckpointError(
            f"resume: {str(run_dir)!r} was saved by xltransfer {facts['xltransfer']}; this is {here['xltransfer']}, "
            f"which may compute otherwise; install that version, or run anew with --config "
            f"{run_dir / 'config.yaml'} --output FOLDER."
        )
    if differing := _differences(here["config"], facts["config"], "in config.yaml", "in the checkpoint"):
        raise CheckpointError(f"resume: {str(run_dir)!r}: the configuration was changed: {'; '.join(differing)}; "
                              "put it back, or run anew with --config.")  # fmt: skip
    return ResumePoint(config, found)


def _newest_readable(run_dir: Path, reporter: Reporter) -> Checkpoint | None:
    faults = []
    for path in checkpoint.list_checkpoints(run_dir / checkpoint.FOLDER):
        try:
            found = checkpoint.read(path)
        except CheckpointError as error:
            faults.append(str(error))
            continue
        if faults:
            reporter.warn(f"damaged checkpoint: {'; '.join(faults)}; continuing from {path.name} before it.")
        return found
    if faults:
        raise CheckpointError(
            f"resume: no checkpoint of {str(run_dir)!r} can be read: {'; '.join(faults)}; remove "
            f"{run_dir / checkpoint.FOLDER} to start over in this folder."
        )
    return None


def _differences(one: dict[str, Any], other: dict[str, Any], called_one: str, called_other: str) -> list[str]:
    return [
        f"{name}: {one.get(name)!r} {called_one}, {other.get(name)!r} {called_other}"
        for name in dict.fromkeys((*one, *other))
        if name not in FREE and one.get(name) != other.get(name)
    ]
