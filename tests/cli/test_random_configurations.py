"""Whatever is configured, `xlt run` ends with status 0, or with 2 and one line, never a traceback.

Then it leaves no run folder, unless that holds a step that failed or a checkpoint to go on from.

Some tens of cases, always the same ones. More, and new ones each time:

    XLT_FUZZ_CASES=2000 pytest tests/cli/test_random_configurations.py
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xltransfer.cli.main import status_of
from xltransfer.config import RunConfig
from xltransfer.datasets.corpora.table import CORPORA
from xltransfer.errors import UserError
from xltransfer.recipes.catalogue import recipes
from xltransfer.registry import BACKENDS, METHODS, RTNS, TASKS, Registry
from xltransfer.registry.options import options_of

CASES = int(os.environ.get("XLT_FUZZ_CASES", "40"))
OUTCOMES: Counter[str] = Counter()
HINTS = get_type_hints(RunConfig)
SMALL: dict[str, Any] = {
    "data_options": {"train": 12, "dev": 3, "test": 3}, "source_size": 4, "target_size": 4, "epochs": 1,
    "batch_size": 4, "max_length": 24, "device": "cpu",
}  # fmt: skip
"""What every case begins with, so that a valid one takes a step or two."""

JUNK: list[Any] = [None, "", " ", "none", "nan", "inf", "-inf", "-1", "0", "1e999", "1e-320", "1e308", "abc", "１",
        "1_000", "yes", "[1]", "{}", "../..", "a" * 300, "\u200b", "naïve", -1, 0, 3.5, 10**30, -(10**30), 1e308,
        1e-320, True, [], {}, [1, "a"], {"a": {"b": 1}}, [[1]], [None], ["far", "far"]]  # fmt: skip
EXTREME = [
    2**63,
    2**64,
    -(2**63),
    10**4000,
    "9" * 5000,
    3.5e38,
    1e39,
    5e-324,
    -1e-320,
    1.7976931348623157e308,
    "x" * 5000,
    "a\0b",
    "\ud800",
    "\u202e",
    "two\nlines",
    "\t",
    "%s%n{}",
    "~",
    "/",
    "." * 300,
    "a/" * 3000,
]
JUNK += EXTREME
junk = st.sampled_from(JUNK)
SENSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "task": st.sampled_from(TASKS.names()),
    "data": st.sampled_from(["synthetic"] * 40 + ["corpus", "nowhere", "corpus/en"] + list(CORPORA)),
    "source_data": st.sampled_from([None] * 10 + ["synthetic"] * 10 + ["corpus", "sst2"]),
    "source": st.lists(st.sampled_from(["base", "near", "mid", "d07"] * 5 + ["far", "en"]), max_size=3, unique=True),
    "target": st.sampled_from(["far", "remote", "d99"] * 6 + ["near", "base", "ig", "en"]),
    "encoder": st.sampled_from(["tiny"] * 40 + ["tinny", "./nowhere", "some/model", "corpus"]),
    "method": st.sampled_from(METHODS.names()),
    "rtn": st.sampled_from(RTNS.names()),
    "backend": st.sampled_from(BACKENDS.names()),
    "layer": st.lists(st.sampled_from([0, 1, 2, 3, 4] * 8 + [5]), min_size=1, max_size=3, unique=True),
    "source_size": st.integers(1, 8) | st.just("none"),
    "target_size": st.integers(1, 8) | st.just("none"),
    "temperature": st.floats(0.01, 100),
    "epochs": st.integers(1, 2),
    "batch_size": st.integers(1, 20),
    "lr": st.sampled_from([None, 1e-5, 1e-3, 0.1, 1e30]),
    "meta_lr": st.sampled_from([0, 1e-3, 1.0, 1e6]),
    "weight_decay": st.sampled_from([0, 0.01, 5.0]),
    "warmup": st.floats(0, 1),
    "clip": st.sampled_from([0, 1e-3, 10.0]),
    "skip_nonfinite": st.integers(0, 3),
    "max_length": st.sampled_from([4, 16, 24, 64, 128] * 3 + [3, 129]),
    "pad_to": st.sampled_from([1, 2, 4, 8, 3]),
    "seed": st.integers(0, 2**31),
    "data_seed": st.integers(0, 2**31),
    "compile": st.just(False),  # compiling takes minutes
    "device": st.sampled_from(["auto", "cpu"]),
    "checkpoint_steps": st.integers(0, 3) | st.none(),
    "checkpoint_minutes": st.sampled_from([None, 0, 1e-6, 10]),
    "output": st.nothing(),
    "plugin": st.sampled_from([[]] * 10 + [["missing.py"], ["corpus"]]),
}
ENDLESS: dict[str, set[Any]] = {"epochs": {"1_000"}, "compile": {"yes", True}}
"""Junk that is valid and has no end."""


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Of an option, by its type."""
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(1, 8)
    if kind is float:
        return st.floats(1e-4, 2)
    return st.sampled_from(["mlp", "lowrank", "all", "cut"])


@st.composite
def options(draw: st.DrawFn, registry: Registry, name: Any) -> dict[str, Any]:
    """Options of a part, most of them its own."""
    try:
        known = options_of(registry.load(name))
    except Exception:  # junk for a name, or a library that is not installed
        return {}
    chosen = draw(st.lists(st.sampled_from(sorted(known)), max_size=2)) if known else []
    found = {option: draw(values_of(known[option].type)) for option in chosen}
    if chosen and _once_in(draw, 4):
        found[chosen[0]] = draw(junk)
    if _once_in(draw, 12):
        found[draw(st.sampled_from([*known, "inner.rank", "nothing", "inner"]))] = draw(junk)
    return found


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """A few fields set, sometimes to nonsense."""
    names = draw(
        st.lists(st.sampled_from([spec.name for spec in fields(RunConfig)]), min_size=1, max_size=7, unique=True)
    )
    nonsense = draw(st.lists(st.sampled_from(names), max_size=2)) if _once_in(draw, 2) else []
    values = dict(SMALL)
    for name in names:
        if name in nonsense:
            value = draw(st.sampled_from([value for value in JUNK if not _endless(name, value)]))
        elif name.endswith("_options"):
            continue
        elif name in SENSIBLE:
            if name == "output":
                continue
            value = draw(SENSIBLE[name])
        else:
            value = draw(values_of(HINTS[name]))
        values[name] = value
    for part, registry in (("task", TASKS), ("method", METHODS), ("rtn", RTNS), ("backend", BACKENDS)):
        if f"{part}_options" not in nonsense and draw(st.booleans()):
            default = next(spec.default for spec in fields(RunConfig) if spec.name == part)
            values[f"{part}_options"] = draw(options(registry, values.get(part, default)))
    if values.get("data", "synthetic") != "synthetic" and "data_options" not in nonsense:
        del values["data_options"]
    if _once_in(draw, 30):
        values[draw(st.sampled_from(["rtm", "seeds", "1", ""]))] = draw(junk)
    return values


def _once_in(draw: st.DrawFn, times: int) -> bool:
    """hypothesis likes the ends of a range better than its middle; a generator has no likings."""
    return draw(st.randoms(use_true_random=False)).randrange(times) == 0


def _endless(name: str, value: Any) -> bool:
    if name == "data_options":  # then there are thousands of sentences
        return not value
    return isinstance(value, str | int | float | bool) and value in ENDLESS.get(name, ())


FLAGS = {"task_options": "task-opt", "data_options": "data-opt", "source_data_options": "source-data-opt",
         "method_options": "method-opt", "rtn_options": "rtn-opt", "backend_options": "backend-opt"}  # fmt: skip


def as_arguments(values: dict[str, Any]) -> list[str]:
    """The command line that says so, as well as a command line can."""
    arguments = []
    for name, value in values.items():
        flag = f"--{FLAGS.get(name, name.replace('_', '-'))}"
        if isinstance(value, dict):
            items = [f"{key}={item}" for key, item in value.items()]
        else:
            items = [str(item) for item in (value if isinstance(value, list) else [value])]
        for item in items:
            arguments += [flag, item]
    return arguments


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with a small corpus of files; the outcomes are counted at the end."""
    before, here = Path.cwd(), tmp_path_factory.mktemp("random")
    os.chdir(here)
    for language in ("en", "ig"):
        Path("corpus", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            lines = [f"{split}{number} O\nB B-PER\nc I-PER\n" for number in range(8)]
            Path("corpus", language, f"{split}.txt").write_text("\n".join(lines) + "\n")
    yield
    os.chdir(before)
    if "XLT_FUZZ_CASES" in os.environ:
        print(dict(OUTCOMES))


def holds(arguments: list[str], what: object) -> None:
    """The invariant."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = status_of(["run", "--quiet", *arguments])
    told = err.getvalue()
    last = told.strip().splitlines()[-1] if told.strip() else ""
    failed = Path("run", "failure").exists()
    OUTCOMES[{0: "ran", 2: "stopped by a guard" if failed else "refused"}.get(status, "WRONG")] += 1
    try:
        assert status in (0, 2), f"{what}\n{told}"
        assert "Traceback" not in told, f"{what}\n{told}"
        if status == 0:
            assert Path("run", "metrics.json").exists(), what
        else:
            assert last.startswith("xlt: error: "), f"{what}\n{told}"
            kept = Path("run", "checkpoint").exists() and "xlt run --resume run" in last
            assert failed or kept or not Path("run").exists(), f"{what}\n{told}"
            assert all(line.startswith("warning: ") for line in told.strip().splitlines()[:-1]), f"{what}\n{told}"
        assert not Path("runs").exists(), what
    finally:
        shutil.rmtree("run", ignore_errors=True)
        shutil.rmtree("runs", ignore_errors=True)


fuzz = settings(
    max_examples=CASES // 2, deadline=None, database=None, derandomize="XLT_FUZZ_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck), print_blob=False,
)  # fmt: skip


@pytest.mark.slow
@fuzz
@given(configurations())
def test_from_a_file(values: dict[str, Any]) -> None:
    Path("mine.yaml").write_text(yaml.safe_dump(values))
    holds(["--config", "mine.yaml", "--output", "run"], values)


@pytest.mark.slow
@fuzz
@given(configurations(), st.sampled_from([None] * 30 + sorted(recipes())[:2] + ["metaxl/nothing"]))
def test_from_the_command_line(values: dict[str, Any], recipe: str | None) -> None:
    arguments = as_arguments(values) + (["--recipe", recipe] if recipe else [])
    holds([*arguments, "--output", "run"], arguments)


@pytest.mark.parametrize("examples", [100, pytest.param(max(2000, CASES), marks=pytest.mark.slow)])
def test_validation_of_extreme_values(examples: int) -> None:
    """As above, as far as a configuration can be checked without its data; so thousands cost seconds."""

    @settings(fuzz, max_examples=examples)
    @given(configurations())
    def check(values: dict[str, Any]) -> None:
        with contextlib.suppress(UserError):
            found = RunConfig.from_mapping(values).validated()
            assert RunConfig.from_mapping(yaml.safe_load(found.to_yaml())) == found

    check()


def limits() -> list[dict[str, Any]]:
    """Every number of a configuration at its lowest and at its highest, but for those that ask for endless runs."""
    endless = ("epochs", "max_length", "layer", "pad_to", "accumulate", "source_size", "target_size")
    specs = [spec for spec in fields(RunConfig) if spec.metadata["highest"] is not None and spec.name not in endless]
    wanted: dict[str, dict[str, Any]] = {
        "temperature": {"mixing": "temperature"}, "exploration": {"mixing": "bandit"}, "weight_decay": {"lr": 1e30},
    }  # fmt: skip
    return [{**wanted.get(spec.name, {}), spec.name: spec.metadata[end], "method": method}
            for method in ("joint", "metaxl") for spec in specs for end in ("highest", "lowest")
            if spec.metadata[end] is not None and (method, spec.name) != ("joint", "exploration")]  # fmt: skip


QUICK = (("joint", "weight_decay"), ("metaxl", "meta_lr"), ("metaxl", "seed"))


@pytest.mark.parametrize(
    "values",
    [pytest.param(values, marks=() if (values["method"], [*values][-2]) in QUICK else pytest.mark.slow)
     for values in limits()],
)  # fmt: skip
def test_numbers_at_their_limits(values: dict[str, Any]) -> None:
    """They run, or end at a guard: no machine number overflows."""
    holds([*as_arguments({**SMALL, **values}), "--output", "run"], values)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"rtn_options": {"bottleneck": 10**12}}, "option bottleneck received 1000000000000; allowed: a whole number"),
        ({"rtn": "weights", "rtn_options": {"width": 10**9}}, "(1 to 65,536)"),
        ({"rtn": "multi", "rtn_options": {"inner.bottleneck": 10**9}}, "(1 to 65,536)"),
        ({"rtn": "transformer", "rtn_options": {"gain": -1}}, "gain received -1; allowed: a number (0 to 1e+06)"),
        ({"rtn": "lowrank", "rtn_options": {"alpha": 1e308}}, "alpha received 1e+308; allowed: a number (-1e+30 to"),
        ({"backend_options": {"inner_steps": 10**9}}, "inner_steps received 1000000000; allowed: a whole number (1"),
        ({"backend": "fd", "backend_options": {"epsilon": 1e308}}, "allowed: a number or none (1e-12 to 1e+06)"),
        ({"data_options": {"train": -1}}, "dataset synthetic: option train received -1; allowed: a whole number (1 to"),
        ({"data_options": {"dev": 10**12}}, "allowed: a whole number (1 to 1,000,000)"),
    ],
)
def test_options_beyond_their_limits(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        RunConfig.from_mapping(values).validated()
    assert message in str(caught.value)


@pytest.mark.parametrize("flag", ["config", "recipe", "rtn-opt"])
def test_a_long_word_is_shortened(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["run", f"--{flag}", "a" * 5000]) == 2
    assert len(capsys.readouterr().err) < 400
