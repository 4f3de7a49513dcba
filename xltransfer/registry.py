"""One registry for every kind of part: built-ins, decorators, entry points and `module:Class` meet here.

Listing imports nothing; a part is imported when it is chosen.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from xltransfer.errors import RegistryError, unknown

PartT = TypeVar("PartT", bound=type)
_PLUGIN_PREFIX = "xltransfer_plugin_"


@dataclass(frozen=True)
class Entry:
    """A name in a registry: where its class is (`module:Class`), who put it there, and what it is."""

    name: str
    target: str
    origin: str
    summary: str = ""


class Registry:
    """The parts of one kind by name.

    `builtin` maps a name to (`module:Class`, summary); entry points of `group` and decorated classes join them.
    `contract` is the `module:Class` that every part derives from.
    """

    def __init__(self, kind: str, builtin: dict[str, tuple[str, str]], contract: str | None = None) -> None:
        self.kind = kind
        self._contract = contract
        self.group = f"xltransfer.{kind}s"
        self._entries = {
            name: Entry(name, target, "xltransfer", summary) for name, (target, summary) in builtin.items()
        }
        self._classes: dict[str, type] = {}
        self._conflicts: dict[str, str] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[PartT], PartT]:
        """Class decorator. Raises RegistryError if another class already has the name."""

        def decorate(part: PartT) -> PartT:
            target = f"{part.__module__}:{part.__qualname__}"
            self._add(Entry(name, target, _origin(part), _first_line(part)))
            self._classes[name] = part
            return part

        return decorate

    def entries(self) -> list[Entry]:
        """All known parts, by name; imports none of them."""
        self._scan()
        return [self._entries[name] for name in sorted(self._entries)]

    def conflict(self, name: str) -> str | None:
        """What is wrong with a name that two packages register."""
        self._scan()
        return self._conflicts.get(name)

    def names(self) -> list[str]:
        """The names of all known parts."""
        return [entry.name for entry in self.entries()]

    def __contains__(self, spec: str) -> bool:
        return ":" in spec or spec in self.names()

    def load(self, spec: str) -> type[Any]:
        """The class behind a registered name or a `package.module:Class` path. Raises RegistryError."""
        part = self._find(spec)
        if self._contract is not None:
            base = _import_target(self._contract, self.kind)
            if not issubclass(part, base):
                raise RegistryError(
                    f"{self.kind} {spec!r}: {part.__name__} does not derive from {base.__name__}; a class that does is "
                    f"needed (from xltransfer import {base.__name__})."
                )
        return part

    def _find(self, spec: str) -> type[Any]:
        if ":" in spec:
            return _import_target(spec, f"{self.kind} {spec!r}")
        self._scan()
        if spec in self._conflicts:
            raise RegistryError(self._conflicts[spec])
        if spec in self._classes:
            return self._classes[spec]
        if spec not in self._entries:
            raise RegistryError(f"{unknown(self.kind, spec, self._entries)} One in a file of your own: --plugin FILE.")
        entry = self._entries[spec]
        return _import_target(entry.target, f"{self.kind} {spec!r} of {entry.origin}")

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in metadata.entry_points(group=self.group):
            owner, summary = ("an entry point", "")
            if point.dist:
                owner, summary = point.dist.name, str(point.dist.metadata.json.get("summary", ""))
            try:
                self._add(Entry(point.name, point.value, owner, summary), packaged=True)
            except RegistryError as error:  # refused when it is chosen; other names are not disturbed
                self._conflicts[point.name] = str(error)

    def _add(self, entry: Entry, packaged: bool = False) -> None:
        """`packaged`: the origin is the name of a package, which tells more than that of a module."""
        known = self._entries.get(entry.name)
        if known and not _same_class(known.target, entry.target):
            raise RegistryError(
                f"{self.kind} {entry.name!r} is registered twice: by {known.origin} ({known.target}) and by "
                f"{entry.origin} ({entry.target}). Rename or uninstall one of them."
            )
        if known and packaged:
            self._entries[entry.name] = replace(known, origin=entry.origin)
        self._entries.setdefault(entry.name, entry)


def _same_class(one: str, other: str) -> bool:
    """Whether two targets may be one class: of that name, in one package (it may be exported from a module above)."""
    (module, _, name), (other_module, _, other_name) = one.partition(":"), other.partition(":")
    return name == other_name and _package(module) == _package(other_module)


def _package(module: str) -> str:
    """The top-level name; of a plugin file the file's, so that a file and the package made of it are one part."""
    if module.startswith(_PLUGIN_PREFIX):
        return module.removeprefix(_PLUGIN_PREFIX).rpartition("_")[0]
    return module.split(".")[0]


def _origin(part: type) -> str:
    """The module of a class, or the file if it is a plugin file."""
    if part.__module__.startswith(_PLUGIN_PREFIX):
        return str(Path(str(sys.modules[part.__module__].__file__)).name)
    return part.__module__


def _first_line(part: type) -> str:
    return (part.__doc__ or "").strip().split("\n")[0]


def _import_target(target: str, what: str) -> type[Any]:
    module_name, _, attribute = target.partition(":")
    try:
        part: Any = importlib.import_module(module_name)
        for step in attribute.split("."):
            part = getattr(part, step)
    except Exception as error:  # a plugin may raise anything at import
        raise RegistryError(
            f"{what} cannot be imported from {target!r}: {type(error).__name__}: {error}. "
            "Check the spelling, install the package that holds it, or give a file of your own with --plugin FILE."
        ) from error
    if not isinstance(part, type):
        raise RegistryError(f"{what}: {target!r} is a {type(part).__name__}; a class is needed.")
    return part


@cache
def load_plugin(path: Path) -> None:
    """Import a Python file so that its decorators register what it holds. Raises RegistryError."""
    if not path.is_file():
        raise RegistryError(f"plugin: {str(path)!r} is not a file; give the path of a Python file.")
    name = f"{_PLUGIN_PREFIX}{path.stem}_{abs(hash(path)):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RegistryError(f"plugin: {str(path)!r} is not a Python file (its name must end in .py).")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = _registered()
    try:
        spec.loader.exec_module(module)
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(f"plugin {str(path)!r} fails on import: {type(error).__name__}: {error}") from error
    if _registered() == before:
        raise RegistryError(f"plugin {str(path)!r} registers nothing; a class under @register_rtn(\"name\") or "
                            "another of xltransfer's decorators is needed.")  # fmt: skip


def _registered() -> dict[str, type]:
    """Every class that a decorator registered."""
    return {f"{kind} {name}": part for kind, registry in REGISTRIES.items() for name, part in registry._classes.items()}


RTNS = Registry(
    "rtn",
    {
        "frozen": ("xltransfer.rtns.frozen:Frozen", "random and never trained: the control"),
        "identity": ("xltransfer.rtns.identity:Identity", "no change: the joint-training limit"),
        "lowrank": ("xltransfer.rtns.lowrank:LowRank", "low-rank linear map, scaled like LoRA"),
        "mlp": ("xltransfer.rtns.mlp:MLP", "bottleneck network of the paper, optionally gated"),
        "multi": ("xltransfer.rtns.multi:Multi", "a network for each insertion layer, stacked or mixed"),
        "per-language": ("xltransfer.rtns.per_language:PerLanguage", "a network for each source language"),
        "transformer": ("xltransfer.rtns.transformer:Transformer", "one layer of the encoder's own kind"),
        "weights": ("xltransfer.rtns.weights:Weights", "how much each source sentence or token counts"),
    },
    "xltransfer.rtns.base:RTN",
)
BACKENDS = Registry(
    "backend",
    {
        "fd": ("xltransfer.backends.fd:FiniteDifferences", "approximate: finite differences of first-order gradients"),
        "first-order": (
            "xltransfer.backends.first_order:FirstOrder",
            "approximate: through the last layer's step alone",
        ),
        "auto": ("xltransfer.backends.auto:Auto", "exact: func in the mode that a short trial finds fastest here"),
        "func": ("xltransfer.backends.func:Func", "exact: the source loss's second derivative in plain torch"),
        "higher": ("xltransfer.backends.higher:Higher", "exact: differentiable inner step with the higher library"),
        "learn2learn": (
            "xltransfer.backends.learn2learn:Learn2Learn",
            "exact: differentiable inner step with the learn2learn library",
        ),
    },
    "xltransfer.backends.base:Backend",
)
ENCODERS = Registry(
    "encoder",
    {"tiny": ("xltransfer.encoders.tiny:Tiny", "embedded default, pretrained on the synthetic languages")},
    "xltransfer.encoders.source:EncoderSource",
)
TASKS = Registry(
    "task",
    {
        "ner": ("xltransfer.tasks.ner:NER", "named entities in BIO tags; entity F1"),
        "pos": ("xltransfer.tasks.pos:POS", "part of speech; accuracy and macro F1"),
        "sentiment": ("xltransfer.tasks.sentiment:Sentiment", "text classification; macro F1 and accuracy"),
    },
    "xltransfer.tasks.base:Task",
)
DATASETS = Registry(
    "dataset",
    {
        "synthetic": ("xltransfer.data.synthetic:Synthetic", "generated languages at a chosen distance; any task"),
        "afrisenti": ("xltransfer.data.hub:afrisenti", "sentiment of tweets in 14 African languages"),
        "imdb": ("xltransfer.data.hub:imdb", "sentiment of English film reviews"),
        "marc": ("xltransfer.data.hub:marc", "stars of Amazon reviews in six languages; a copy of your own"),
        "masakhaner": ("xltransfer.data.hub:masakhaner", "entities in news of ten African languages"),
        "masakhaner2": ("xltransfer.data.hub:masakhaner2", "entities in news of 20 African languages"),
        "nusax": ("xltransfer.data.hub:nusax", "sentiment in English, Indonesian and ten languages of Indonesia"),
        "sib200": ("xltransfer.data.hub:sib200", "topics of the same sentences in about 200 languages"),
        "sst2": ("xltransfer.data.hub:sst2", "sentiment of English film reviews, phrase by phrase"),
        "universal_dependencies": (
            "xltransfer.data.hub:universal_dependencies",
            "parts of speech, treebank by treebank",
        ),
        "wikiann": ("xltransfer.data.hub:wikiann", "entities in Wikipedia, 176 languages"),
    },
    "xltransfer.data.dataset:Dataset",
)
METHODS = Registry(
    "method",
    {
        "joint": ("xltransfer.methods.joint:Joint", "source and target losses added"),
        "joint-rtn": ("xltransfer.methods.joint_rtn:JointRTN", "joint, with the RTN trained by the ordinary gradient"),
        "metaxl": ("xltransfer.methods.metaxl:MetaXL", "the RTN trained by the meta-gradient"),
        "target-only": ("xltransfer.methods.target_only:TargetOnly", "the target's sentences alone"),
    },
    "xltransfer.methods.base:Method",
)
REGISTRIES = {f"{registry.kind}s": registry for registry in (RTNS, BACKENDS, ENCODERS, TASKS, DATASETS, METHODS)}

register_rtn = RTNS.register
register_backend = BACKENDS.register
register_encoder = ENCODERS.register
register_task = TASKS.register
register_dataset = DATASETS.register
register_method = METHODS.register
