"""Configuration: typed, complete, all faults at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xltransfer.config import RunConfig
from xltransfer.errors import ConfigError
from xltransfer.registry.options import check_options
from xltransfer.registry.values import convert


def test_defaults_are_valid_and_survive_yaml(tmp_path: Path) -> None:
    config = RunConfig().validated()
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    assert RunConfig.from_yaml(tmp_path / "config.yaml") == config


@given(
    st.integers(0, 10**9), st.floats(1e-9, 1, allow_nan=False), st.lists(st.integers(0, 50), min_size=1, unique=True),
    st.one_of(st.none(), st.integers(1, 10**6)),
)  # fmt: skip
def test_yaml_round_trip(seed: int, lr: float, layers: list[int], size: int | None) -> None:
    import yaml

    config = RunConfig.from_mapping({"seed": seed, "lr": lr, "layer": layers, "source_size": size})
    assert RunConfig.from_mapping(yaml.safe_load(config.to_yaml())) == config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"lr": 1e308}, "lr: received 1e+308; allowed: up to 1e+30."),
        ({"seed": 10**30}, "seed: received 10000000000e20; allowed: up to 4294967295."),
        ({"seed": -1}, "seed: received -1; allowed: 0 or more."),
        ({"unknown_words": 1.5}, "unknown_words: received 1.5; allowed: up to 1."),
        ({"temperature": 1e-9}, "temperature: received 1e-09; allowed: 0.05 or more."),
        ({"lr": 10**5000}, "lr: received a number of thousands of digits; allowed: a number or none."),
        (
            {"precision": "x" * 5000},
            f"precision: received '{'x' * 89}... (5,002 characters); allowed: bf16, fp32, tf32.",
        ),
        ({"target": "a\0b"}, "target: received 'a\\x00b'; allowed: up to 4096 characters, without NUL"),
        ({"rtn_options": {"dim": "\ud800"}}, "rtn_options: received '\\ud800'; allowed: up to 4096 characters"),
        ({"output": "a/" * 3000}, "allowed: up to 4096 characters"),
    ],
)
def test_extreme_values_are_refused_in_a_short_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_mapping(values).validated()
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_with_a_number_of_thousands_of_digits(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"seed: {'9' * 5000}\n")
    with pytest.raises(ConfigError, match="is not YAML: Exceeds the limit"):
        RunConfig.from_yaml(tmp_path / "config.yaml")


def test_all_faults_are_reported_together() -> None:
    raw = {"method": "metaxll", "rtn": "mpl", "epochs": 0, "layer": -1, "rtn_options": {}}
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_mapping(raw).validated()
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    for expected in ("'metaxll'", "Did you mean 'metaxl'?", "'mpl'", "Did you mean 'mlp'?", "epochs: received 0",
                     "layer: received -1"):  # fmt: skip
        assert expected in text


def test_ill_typed_values_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_mapping({"epochs": "many", "precision": "fp8", "lr": "nan", "epoch": 3})
    assert len(caught.value.faults) == 4
    assert "allowed: bf16, fp32" in str(caught.value)
    assert "Did you mean 'epochs'?" in str(caught.value)


def test_metaxl_needs_two_target_sentences() -> None:
    with pytest.raises(ConfigError, match="support and query"):
        RunConfig(target_size=1).validated()
    RunConfig(target_size=1, method="joint").validated()


class Part:
    def __init__(
        self, dim: int, *, rank: Annotated[int, "width"] = 8, mode: Literal["a", "b"] = "a", on: bool = True
    ) -> None:
        pass


@pytest.mark.parametrize(
    "given_options, expected",
    [
        ({"rank": "3", "mode": "b", "on": "false"}, {"rank": 3, "mode": "b", "on": False}),
        ({"rank": 4}, {"rank": 4}),
        ({}, {}),
    ],
)
def test_options_take_their_declared_types(given_options: dict[str, object], expected: dict[str, object]) -> None:
    assert check_options(Part, given_options, "rtn part") == (expected, [])


@pytest.mark.parametrize(
    "given_options, message",
    [
        ({"rnak": "3"}, "unknown option 'rnak'; allowed: rank, mode, on. Did you mean 'rank'?"),
        ({"rank": "x"}, "received 'x'; allowed: a whole number"),
        ({"rank": "1.5"}, "received '1.5'; allowed: a whole number"),
        ({"mode": "c"}, "allowed: a|b"),
        ({"on": "perhaps"}, "allowed: true|false"),
    ],
)
def test_bad_options_name_what_is_allowed(given_options: dict[str, object], message: str) -> None:
    _, faults = check_options(Part, given_options, "rtn part")
    assert len(faults) == 1
    assert message in faults[0]


@pytest.mark.parametrize("raw", ["inf", "nan", "1e400", "", True])
def test_numbers_are_finite(raw: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        convert(raw, float)
