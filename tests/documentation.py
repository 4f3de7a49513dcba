"""Read the pages of the documentation, and run their code on small data."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
import yaml

from tests.conftest import SHARED
from tests.sweeping import without_processes
from xltransfer.cli.main import app, status_of

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SITE = ROOT / "docs"
PAGES = [README, *sorted(SITE.rglob("*.md"))]
DEMO = "runs/ner-base-far-joint-student-seed11"
"""The run folder of `make demo`."""

_BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*) -->\n)?^```(\S+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.(?:py|toml|yaml|txt))\n")
_LESS = {"source_size": 16, "target_size": 8, "epochs": 1, "batch_size": 8, "max_length": 48}
_LESS_DATA = {"train": 20, "dev": 10, "test": 10}
_WRITES = ("--output", "--plot", "--figures")
"""Options whose value is a file or folder that a command writes."""


@dataclass(frozen=True)
class Block:
    """A fenced block: `reason` is empty unless the page says why it is not run."""

    language: str
    text: str
    reason: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of every line of a bash block."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "bash" else []
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def name_of(page: Path) -> str:
    """A page's path without suffix, below the site."""
    return "README" if page == README else str(page.relative_to(SITE).with_suffix(""))


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, text, reason) for reason, language, text in found]


def is_run(page: Path) -> bool:
    """Whether a page has anything to run."""
    return any(block.language in ("bash", "python") and not block.reason for block in blocks_of(page))


def parse(words: Sequence[str]) -> None:
    """Parse the `xlt` command in a line, if there is one. Raises a usage error for what `xlt` does not know."""
    words = list(words)
    marks = [place for place, word in enumerate(words) if word in ("xlt", "xltransfer")]
    if not marks:
        return
    command: Any = typer.main.get_command(app)
    rest = words[marks[0] + 1 :]
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("xlt", rest)


def options() -> set[str]:
    """Every option of every command."""
    waiting: list[Any] = [typer.main.get_command(app)]
    found: set[str] = set()
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        found |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return found


def run_page(page: Path, demo: Path | None, mirror: Path | None) -> None:
    """Run the blocks of a page from top to bottom in this folder.

    `demo` is a finished run that stands for that of `make demo`, `mirror` a copy of WikiAnn in the hub's layout; None
    where the page needs none.
    """
    for block in blocks_of(page):
        if block.reason:
            continue
        if named := _FILE.match(block.text):
            text = block.text[named.end() :] if named[1].endswith("txt") else _smaller_sweep(block.text)
            Path(named[1]).write_text(text, encoding="utf-8")
        elif block.language == "python":
            code = block.text.replace("epochs=1", "epochs=1, source_size=16")
            exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
        for words in block.commands:
            _run(words, demo, mirror)


def _run(words: list[str], demo: Path | None, mirror: Path | None) -> None:
    if words[0] == "make":
        assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text(encoding="utf-8")
        if words[1] == "demo":
            assert demo is not None
            shutil.copytree(demo, DEMO)
    elif words[0] == "python":
        _subprocess(words[1:])
    elif words[0] == "torchrun":  # as a module, with a port of its own
        launched = words.index("xltransfer") + 1
        arguments = [*words[1:launched], *smaller(words[launched:], mirror)]
        assert "run folder: " in _subprocess(["-m", "torch.distributed.run", "--standalone", *arguments])
    elif words[0] == "echo":
        Path("line.txt").write_text(words[1], encoding="utf-8")
        assert status_of([*words[words.index("xlt") + 1 :], "--input", "line.txt"]) == 0, words
    elif words[0] != "source":
        assert words[0] == "xlt", f"{words}: mark the block as not run, with the reason"
        arguments = smaller(words[1:], mirror)
        with without_processes() if words[1] == "sweep" and "ray" not in words else nullcontext():
            assert status_of(arguments) == 0, arguments
        for option, value in pairwise(words):
            assert option not in _WRITES or Path(value).exists(), words


def _subprocess(arguments: Sequence[str]) -> str:
    """What Python prints with these arguments."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def smaller(arguments: Sequence[str], mirror: Path | None) -> list[str]:
    """The same command on less data, on the corpora beside this checkout, with the included encoder for XLM-R's."""
    command = arguments[0]
    words = [word.replace("../shared", str(SHARED)) for word in arguments]
    mirrored = [] if mirror is None else ["--data-opt", f"mirror={mirror}"]
    if command in ("run", "compare") and "--resume" not in words:
        less = {f"--{name.replace('_', '-')}": str(value) for name, value in _LESS.items()}
        if command == "compare":
            less["--seed"] = "1"
        places = [place for place, word in enumerate(words) if word in less]
        words = [word for place, word in enumerate(words) if place not in places and place - 1 not in places]
        words += ["--quiet", *(word for pair in less.items() for word in pair)]
        if "--recipe" in words:
            words += ["--encoder", "tiny", "--layer", "2", *mirrored]
        elif "wikiann" in words:
            words += mirrored
        elif "--data" not in words:
            words += [word for name, value in _LESS_DATA.items() for word in ("--data-opt", f"{name}={value}")]
    elif words[:3] == ["data", "show", "wikiann"]:
        words += mirrored
    elif command == "sweep":
        words += ["--quiet"]
    elif command == "analyze":
        words += ["--quiet", "--resamples", "5"]
    elif command == "bench":
        words = [{"random:xlm-roberta-base": "tiny", "12": "4"}.get(word, word) for word in words]
        words += [] if "--backend" in words else ["--backend", "func"]
        words += ["--repeats", "1", "--batch-size", "2", "--length", "4", "--quiet"]
    return words


def _smaller_sweep(text: str) -> str:
    """A sweep file with less data and one seed; any other file as it is."""
    content = yaml.safe_load(text) if text.startswith(("# sweep", "# search")) else {}
    if "values" not in content:
        return text.split("\n", 1)[1]
    content["values"] |= {**_LESS, "data_options": _LESS_DATA}
    return yaml.safe_dump({**content, "seeds": content["seeds"][:1]})
