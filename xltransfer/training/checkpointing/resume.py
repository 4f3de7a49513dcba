"""Find the checkpoint from which an interrupted run is resumed, and check that it belongs to the run."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

from xltransfer.config import RunConfig, read_yaml
from xltransfer.errors import CheckpointError, ConfigError
from xltransfer.registry.trusted_code import code_flags
from xltransfer.training.checkpointing import checkpoint
from xltransfer.training.checkpointing.checkpoint import Checkpoint
from xltransfer.training.checkpointing.saver import run_identity
from xltransfer.training.progress import Reporter

CHANGEABLE_FIELDS = ("output", "checkpoint_steps", "checkpoint_minutes", "skip_nonfinite", "accumulate", "track")
"""Fields that may differ when a run is resumed: they do not change what a training step computes."""


def resume_command(run_dir: Path, config: RunConfig) -> str:
    """The command that resumes a run. It names the plugins again: third-party code is loaded only on request."""
    return f"xlt run --resume {shlex.quote(str(run_dir))} {code_flags(config.to_dict())}".rstrip()


def read_run_config(run_dir: Path, expected: RunConfig | None) -> RunConfig:
    """Read config.yaml of a run folder and check it against `expected`, which wins for `CHANGEABLE_FIELDS`.

    Code named in the file is loaded only if `expected` names it too. Raises ConfigError, also if the two differ.
    """
    file = run_dir / "config.yaml"
    if not file.is_file():
        raise ConfigError([f"resume: {str(run_dir)!r} holds no config.yaml; give the folder of an interrupted run."])
    try:
        if expected is None:
            return RunConfig.from_yaml(file).validated()
        saved = RunConfig.from_mapping(read_yaml(file))  # compared only, so that its code is not loaded
    except ConfigError as error:
        raise ConfigError([f if str(file) in f else f"resume: {file}: {f}" for f in error.faults]) from error
    expected = expected.validated()
    differing = _differences(
        run_identity(expected)["config"], run_identity(saved)["config"], "given", "in its config.yaml"
    )
    if expected.output not in (None, saved.output) and Path(expected.output or "").resolve() != run_dir.resolve():
        differing.append(f"output: {expected.output!r} given, but a run is continued in its own folder")
    if differing:
        raise ConfigError([f"resume: {str(run_dir)!r} is another run: {'; '.join(differing)}. Leave such options out, "
                           "or start a new run without --resume."])  # fmt: skip
    return dataclasses.replace(expected, output=saved.output)


def refuse_another_run(folder: Path, config: RunConfig) -> None:
    """Raise ConfigError if a folder holds a run that `config`, whose defaults may be unresolved, does not describe."""
    if not (folder / "config.yaml").is_file():
        return
    saved, wanted = read_yaml(folder / "config.yaml"), run_identity(config)["config"]
    open_to = ("backend", "backend_options", *CHANGEABLE_FIELDS)  # backend auto chooses one
    other = [name for name, value in wanted.items()
             if value is not None and name not in open_to and saved.get(name) != value]  # fmt: skip
    if other:
        raise ConfigError([f"rounds: the run in {str(folder)!r} differs in {', '.join(other)}; name another --output, "
                           "or move it away."])  # fmt: skip


def find_checkpoint(run_dir: Path, config: RunConfig, reporter: Reporter) -> Checkpoint | None:
    """Return the newest readable checkpoint, or None if the run was killed before the first one.

    Raises CheckpointError if none of several can be read, or it was written by another version or configuration.
    """
    found = _newest_readable(run_dir, reporter)
    if found is None:
        reporter.note(f"{run_dir} has no checkpoint yet: starting over")
        return None
    saved, current = found.metadata, run_identity(config)
    if saved["xltransfer"] != current["xltransfer"]:
        raise CheckpointError(
            f"resume: {str(run_dir)!r} was saved by xltransfer {saved['xltransfer']}; this is {current['xltransfer']}, "
            f"which may compute different results; install that version, or start a new run with --config "
            f"{run_dir / 'config.yaml'} --output FOLDER."
        )
    if differing := _differences(current["config"], saved["config"], "in config.yaml", "in the checkpoint"):
        raise CheckpointError(f"resume: {str(run_dir)!r}: the configuration was changed: {'; '.join(differing)}; "
                              "change it back, or start a new run with --config.")  # fmt: skip
    return found


def _newest_readable(run_dir: Path, reporter: Reporter) -> Checkpoint | None:
    """Open the newest intact checkpoint. Warn of damaged newer ones; raise CheckpointError if all are damaged."""
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


def _differences(one: dict[str, Any], other: dict[str, Any], one_name: str, other_name: str) -> list[str]:
    """Describe each field whose value differs, except the `CHANGEABLE_FIELDS`."""
    return [
        f"{name}: {one.get(name)!r} {one_name}, {other.get(name)!r} {other_name}"
        for name in dict.fromkeys((*one, *other))
        if name not in CHANGEABLE_FIELDS and one.get(name) != other.get(name)
    ]
