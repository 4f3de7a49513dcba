"""The command line's options of a configuration, made from its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.recipes.catalogue import find

OPTION_NAMES = {"task_options": "task-opt", "data_options": "data-opt",
                 "source_data_options": "source-data-opt", "method_options": "method-opt",
                 "rtn_options": "rtn-opt", "backend_options": "backend-opt"}  # fmt: skip

PLUGIN_HELP = "Python file that registers the run's task or dataset; those its config.yaml names are not run"
TASK_HELP = "the run's task, if it is package.module:Class: nothing is imported that you do not name"


def takes_config(*, repeated: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give `command(given, **own)` an option for every field of RunConfig; `given` has those the user named.

    Where `repeated`, every option may be given several times, and `given` has lists.
    """
    return lambda command: _with_config(command, repeated)


def _with_config(command: Callable[..., None], repeated: bool) -> Callable[..., None]:
    names = [spec.name for spec in fields(RunConfig)]
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

    def wrapper(**values: Any) -> None:
        given = {name: values.pop(name) for name in names}
        command({name: value for name, value in given.items() if value not in (None, [], ())}, **values)

    parameters = [_parameter(spec, repeated) for spec in fields(RunConfig)] + own
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    )
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def merged_config(given: dict[str, Any], config_file: Path | None, recipe: str | None = None) -> RunConfig:
    """The values of a configuration file or a recipe, overridden by those given. Raises ConfigError.

    Options of parts are NAME=VALUE, or a mapping.
    """
    if config_file and recipe:
        raise ConfigError([f"--config {str(config_file)!r} and --recipe {recipe!r}: give one of them."])
    options = {
        name: dict(value) if isinstance(value, Mapping) else pairs(OPTION_NAMES[name], value)
        for name, value in given.items()
        if name in OPTION_NAMES
    }
    given = {**given, **options}
    if recipe:
        return RunConfig.from_mapping(find(recipe).with_options(given))
    return RunConfig.from_yaml(config_file, given) if config_file else RunConfig.from_mapping(given)


def _parameter(spec: Any, repeated: bool) -> inspect.Parameter:
    repeated = repeated or isinstance(spec.default, tuple) or spec.name in OPTION_NAMES
    flag = f"--{OPTION_NAMES.get(spec.name, spec.name.replace('_', '-'))}"
    default = "" if spec.name in OPTION_NAMES or spec.default in (None, ()) else _shown(spec.default)
    option = typer.Option(
        flag, metavar=spec.metadata["metavar"], help=spec.metadata["help"] + default, show_default=False
    )
    kind = Annotated[list[str] | None, option] if repeated else Annotated[str | None, option]
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _shown(default: Any) -> str:
    value = " ".join(map(str, default)) if isinstance(default, tuple) else default
    return f" [{value}]"


def pairs(option: str, values: list[str]) -> dict[str, str]:
    """`NAME=VALUE` strings of a repeated option as a mapping. Raises ConfigError."""
    faults = [f"--{option}: received {value!r}; allowed: NAME=VALUE." for value in values if "=" not in value]
    if faults:
        raise ConfigError(faults)
    return dict(value.split("=", 1) for value in values)
