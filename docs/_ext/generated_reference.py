"""Generate reference pages from the code: the command line, the configuration and the registered parts.

A page of `docs/reference` holds the introduction; what is generated follows it.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer
from sphinx.application import Sphinx

from xltransfer.cli.ls import _nature
from xltransfer.cli.main import app as commands
from xltransfer.config import RunConfig
from xltransfer.recipes.catalogue import recipes
from xltransfer.registry import REGISTRIES
from xltransfer.registry.limits import range_of
from xltransfer.registry.options import options_of
from xltransfer.registry.values import describe


def cell(text: Any) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def code(text: Any) -> str:
    """Text in a fixed-width font."""
    return f"`{text}`" if str(text) else ""


def command_line() -> str:
    """Every command with its arguments and options, in the groups that `--help` shows."""
    return "\n\n".join(_command(path, command) for path, command in leaves("xlt", typer.main.get_command(commands)))


def leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands of an application by their full names."""
    for name, found in getattr(command, "commands", {}).items():
        yield from leaves(f"{path} {name}", found)
    if not hasattr(command, "commands"):
        yield path, command


def _command(path: str, command: Any) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## {path}", str(command.help).strip(), f"```text\n{usage}\n```"]
    panels: dict[str, list[tuple[Any, ...]]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:
            if parameter.param_type_name != "argument":
                continue
            record = (parameter.make_metavar(context), getattr(parameter, "help", "") or "")
        default = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or default
        panels.setdefault(panel, []).append((code(record[0]), record[1].replace("\\[", "[")))
    for panel, rows in panels.items():
        lines.append(f"**{panel}**" if len(panels) > 1 else "")
        lines.append(table(("", ""), rows))
    return "\n\n".join(line for line in lines if line)


def configuration() -> str:
    """Every field of `RunConfig`, in the groups of its metadata if it has any."""
    hints = get_type_hints(RunConfig)
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for field in dataclasses.fields(RunConfig):
        group = field.metadata["group"]
        default = {} if field.default is dataclasses.MISSING else field.default
        shown = "" if default in (None, (), {}) else list(default) if isinstance(default, tuple) else default
        kind = ", ".join(filter(None, (field_type(hints[field.name]), range_of(field))))
        row = (code(field.name), kind, code(shown), field.metadata["help"])
        groups.setdefault(group, []).append(row)
    headings = ("key", "type", "default", "meaning")
    return "\n\n".join((f"## {group.capitalize()}\n\n") + table(headings, rows) for group, rows in groups.items())


def field_type(kind: Any) -> str:
    """The type of a configuration value or option in words."""
    if get_origin(kind) is tuple:
        return f"list of: {field_type(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "mapping"
    if get_origin(kind) is Literal:
        return ", ".join(code(value) for value in get_args(kind))
    return describe(kind)


def parts() -> str:
    """Every registered part with its options."""
    sections = [_kind(kind) for kind in ("methods", "rtns", "backends", "tasks", "datasets", "encoders")]
    rows = [(code(recipe.name), recipe.summary()) for recipe in recipes().values()]
    return "\n\n".join([*sections, "## Recipes", table(("recipe", "experiment"), rows)])


def _kind(kind: str) -> str:
    registry = REGISTRIES[kind]
    titles = {"rtns": "RTNs"}
    entries = [entry for entry in registry.entries() if entry.origin == "xltransfer"]
    lines = [f"## {titles.get(kind, kind.capitalize())}"]
    lines.append(table(("name", "what it is"), [(code(entry.name), entry.summary) for entry in entries]))
    for entry in entries:
        part = registry.load(entry.name)
        nature, options = _nature(registry, part), options_of(part).values()
        if not nature and not options:
            continue
        lines += [f"### {entry.name}", *(f"{line[0].upper()}{line[1:]}." for line in nature)]
        if options:
            rows = [(code(one.name), _default(one), _option_type(one), one.help) for one in options]
            lines.append(table(("option", "default", "type", "meaning"), rows))
    return "\n\n".join(lines)


def _option_type(option: Any) -> str:
    return field_type(option.type) + ("" if option.bounds is None else f", {option.bounds}")


def _default(option: Any) -> str:
    return "required" if option.default is inspect.Parameter.empty else code(option.default)


PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line": command_line,
    "reference/configuration": configuration,
    "reference/parts": parts,
}


def append(app: Sphinx, page: str, source: list[str]) -> None:
    """Add what is generated to the page as it is read."""
    if page in PAGES:
        source[0] += f"\n{PAGES[page]()}\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the generators to the pages."""
    app.connect("source-read", append)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
