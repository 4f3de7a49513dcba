"""Make command-line options from the fields of `RunConfig`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from rich.markup import escape

from xltransfer.config import GROUPS, RunConfig
from xltransfer.errors import ConfigError
from xltransfer.recipes.catalogue import find
from xltransfer.registry import BACKENDS, DATASETS, ENCODERS, METHODS, RTNS, TASKS, Registry
from xltransfer.registry.limits import range_of
from xltransfer.registry.values import describe, shown

OPTION_NAMES = {"task_options": "task-opt", "data_options": "data-opt",
                 "source_data_options": "source-data-opt", "method_options": "method-opt",
                 "rtn_options": "rtn-opt", "backend_options": "backend-opt"}  # fmt: skip

_NAMED: dict[str, Registry] = {"task": TASKS, "data": DATASETS, "source_data": DATASETS, "encoder": ENCODERS,
                               "method": METHODS, "rtn": RTNS, "backend": BACKENDS}  # fmt: skip
_WIDEST = 20
"""Letters of a list of choices that fits in the help."""
_BOOLEANS = tuple(spec.name.replace("_", "-") for spec in fields(RunConfig) if isinstance(spec.default, bool))


def switch(*flags: str, help: str, panel: str | None = None) -> Any:
    """An option without a value."""
    return typer.Option(*flags, help=help, metavar=" ", rich_help_panel=panel)


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="configuration file (YAML) with these options", rich_help_panel="Run"
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="published experiment; see 'xlt ls recipes'",
        rich_help_panel="Run",
    ),
]
Quiet = Annotated[bool, switch("--quiet", help="no progress, only the result", panel="Run")]
AsJson = Annotated[bool, switch("--json", help="print the result as one JSON object", panel="Run")]

PLUGIN_HELP = "Python file that registers the run's task or dataset; those its config.yaml names are not run"
TASK_HELP = "the run's task, if it is package.module:Class: nothing is imported that you do not name"


def takes_config(*, repeated: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give `command(given, **own)` an option for every field of RunConfig; `given` holds those the user named.

    With `repeated`, every option may be given several times, and `given` holds lists.
    """
    return lambda command: _with_config(command, repeated)


def _with_config(command: Callable[..., None], repeated: bool) -> Callable[..., None]:
    specs = sorted(fields(RunConfig), key=_panel_order)
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]

    def wrapper(**values: Any) -> None:
        given = {spec.name: values.pop(spec.name) for spec in fields(RunConfig)}
        command({name: value for name, value in given.items() if value not in (None, [], ())}, **values)

    parameters = [_parameter(spec, repeated) for spec in specs] + own
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    )
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _panel_order(spec: Any) -> int:
    return -1 if spec.metadata["common"] else GROUPS.index(spec.metadata["group"])


def panel_of(spec: Any) -> str:
    """The title of the help panel that shows a field."""
    return "Most used" if spec.metadata["common"] else spec.metadata["group"].capitalize()


def _parameter(spec: Any, repeated: bool) -> inspect.Parameter:
    several = repeated or isinstance(spec.default, tuple) or spec.name in OPTION_NAMES
    is_flag = isinstance(spec.default, bool) and not repeated
    flag = f"--{OPTION_NAMES.get(spec.name, spec.name.replace('_', '-'))}"
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if is_flag else flag,
        metavar=" " if is_flag else _metavar(spec),
        help=spec.metadata["help"] + escape(_shown_default(spec)),
        show_default=False,
        rich_help_panel=panel_of(spec),
        autocompletion=_completion(spec),
    )
    kind: Any = bool if is_flag else list[str] if several else str
    return inspect.Parameter(
        spec.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _metavar(spec: Any) -> str:
    """The choices of a field that has them, unless they are too long to fit; else what kind of value it takes."""
    if isinstance(spec.default, bool):
        return "yes|no"
    hint = get_type_hints(RunConfig)[spec.name]
    literal = next((kind for kind in (hint, *get_args(hint)) if get_origin(kind) is Literal), None)
    choices = "" if literal is None else describe(literal)
    return choices if 0 < len(choices) <= _WIDEST else spec.metadata["metavar"]


def _shown_default(spec: Any) -> str:
    if spec.name in OPTION_NAMES or isinstance(spec.default, bool):
        return ""
    default = spec.default if isinstance(spec.default, tuple) else (spec.default,)
    shown_default = "" if spec.default in (None, ()) else f"default: {' '.join(map(str, default))}"
    both = "; ".join(filter(None, (shown_default, range_of(spec))))
    return f" [{both}]" if both else ""


def _completion(spec: Any) -> Callable[[str], list[str]] | None:
    """Completes the names of registered parts; imports none of them."""
    registry = _NAMED.get(spec.name)
    if registry is None:
        return None
    return lambda incomplete: [name for name in registry.names() if name.startswith(incomplete)]


def flags_normalised(arguments: Sequence[str]) -> list[str]:
    """The command line with `--bucket yes` as `--bucket` and `--bucket no` as `--no-bucket`.

    The other way round for `xlt compare`, where such an option may be given several times.
    """
    command, *rest = arguments or [""]
    if command not in ("run", "compare"):
        return list(arguments)
    found = [command]
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        name = flag.removeprefix("--no-").removeprefix("--")
        if name not in _BOOLEANS or flag not in (f"--{name}", f"--no-{name}"):
            found.append(word)
            continue
        if not equals and rest and flag == f"--{name}" and not rest[0].startswith("-"):
            value = rest.pop(0)
        wanted = value or ("no" if flag.startswith("--no-") else "yes")
        if command == "compare":
            found += [f"--{name}", wanted]
        elif wanted.lower() in ("yes", "true", "on", "1", "no", "false", "off", "0"):
            found.append(f"--{'no-' * (wanted.lower() in ('no', 'false', 'off', '0'))}{name}")
        else:
            raise ConfigError([f"{name}: received {wanted!r}; allowed: --{name} or --no-{name}."])
    return found


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


def pairs(option: str, values: list[str]) -> dict[str, str]:
    """`NAME=VALUE` strings of a repeated option as a mapping. Raises ConfigError."""
    faults = [f"--{option}: received {shown(value)}; allowed: NAME=VALUE." for value in values if "=" not in value]
    if faults:
        raise ConfigError(faults)
    return dict(value.split("=", 1) for value in values)
