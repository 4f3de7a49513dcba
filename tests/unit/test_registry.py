"""One registry: decorator, module:Class, plugin files; nothing imported before it is chosen."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from xltransfer.errors import RegistryError
from xltransfer.registry import REGISTRIES, RTNS, Registry, load_plugin


class Metadata:
    """Of a package, as far as the registry reads it."""

    def __init__(self, json: dict[str, str]) -> None:
        self.json = json


def test_decorator_and_path_lead_to_the_same_class() -> None:
    registry = Registry("thing", {})

    @registry.register("mine")
    class Mine:
        """My part."""

    assert registry.load("mine") is Mine
    assert registry.entries()[0].summary == "My part."
    assert RTNS.load("xltransfer.rtns.mlp:MLP") is RTNS.load("mlp")


def test_duplicate_names_name_both_owners() -> None:
    registry = Registry("thing", {"mine": ("package.one:Class", "")})
    with pytest.raises(RegistryError, match=r"registered twice.*package\.one:Class.*test_registry"):
        registry.register("mine")(type("Other", (), {"__module__": __name__}))


def test_entry_points_join_without_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("broken", "no_such_module:Class", "xltransfer.things")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "xltransfer.things" else [])
    registry = Registry("thing", {})
    assert registry.names() == ["broken"]
    with pytest.raises(RegistryError, match="cannot be imported"):
        registry.load("broken")


def test_two_packages_with_one_name_are_refused_when_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def point(name: str, target: str, package: str) -> metadata.EntryPoint:
        found = metadata.EntryPoint(name, target, "xltransfer.things")
        vars(found)["dist"] = type("Distribution", (), {"name": package, "metadata": Metadata({})})
        return found

    points = [
        point("mine", "json:JSONDecoder", "one-package"),
        point("mine", "csv:Dialect", "other-package"),
        point("good", "json:JSONEncoder", "one-package"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    registry = Registry("thing", {})
    assert registry.load("good") is json.JSONEncoder
    with pytest.raises(RegistryError, match=r"registered twice: by one-package .* and by other-package"):
        registry.load("mine")
    assert "other-package" in str(registry.conflict("mine"))
    assert registry.conflict("good") is None


def test_a_decorated_class_behind_an_entry_point_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.EntryPoint("mine", f"{__name__.split('.')[0]}:Mine", "xltransfer.things")
    vars(found)["dist"] = type("Distribution", (), {"name": "my-package", "metadata": Metadata({"summary": "Theirs."})})
    monkeypatch.setattr(metadata, "entry_points", lambda group: [found])
    registry = Registry("thing", {})
    mine = registry.register("mine")(type("Mine", (), {"__module__": __name__, "__doc__": "My part."}))
    assert registry.load("mine") is mine
    assert [(entry.origin, entry.summary) for entry in registry.entries()] == [("my-package", "My part.")]


@pytest.mark.parametrize(
    "spec", ["xltransfer.rtns.mlp:Nothing", "no.such.module:Class", "xltransfer.rtns.mlp:MLP.up.x"]
)
def test_wrong_paths_are_the_users_errors(spec: str) -> None:
    with pytest.raises(RegistryError, match="cannot be imported"):
        RTNS.load(spec)


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_builtin_can_be_loaded(kind: str) -> None:
    for name in REGISTRIES[kind].names():
        assert isinstance(REGISTRIES[kind].load(name), type)


def test_broken_plugin_file_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import os\n\nraise RuntimeError('boom')")
    with pytest.raises(RegistryError, match=r"broken\.py' fails on import in line 3: RuntimeError: boom"):
        load_plugin(tmp_path / "broken.py")


def test_importing_the_package_is_light() -> None:
    code = "import sys, xltransfer; assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_help_and_listing_import_no_torch() -> None:
    code = (
        "import sys; from xltransfer.cli.main import status_of;"
        "assert status_of(['ls', 'rtns']) == 0; assert status_of(['run', '--help']) == 0;"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
