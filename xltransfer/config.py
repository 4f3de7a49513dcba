"""The configuration of a run: frozen, validated once, all faults reported together, YAML in and out.

The command line's options, their help and their defaults come from the fields below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_origin, get_type_hints

import yaml

from xltransfer.errors import ConfigError, did_you_mean, unknown
from xltransfer.registry import BACKENDS, DATASETS, ENCODERS, METHODS, RTNS, TASKS, Registry, compatibility, load_plugin
from xltransfer.registry.options import checked_options, collected, convert, describe
from xltransfer.registry.trusted_code import checked

Options = dict[str, Any]
SPLIT_SEED = 42
"""Of the splits made here, where `data_seed` says nothing else."""


def _field(default: Any, help: str, *, metavar: str = "", lowest: float | None = None) -> Any:
    metadata = {"help": help, "metavar": metavar, "lowest": lowest}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunConfig:
    """One training run, complete: the same values give the same result. Sizes are in sentences."""

    task: str = _field("ner", "what to learn: ner, sentiment, pos", metavar="NAME")
    task_options: Options = _field({}, "option of the task", metavar="K=V")
    data: str = _field("synthetic", "a registered dataset, or a folder with one folder a language", metavar="NAME|PATH")
    data_options: Options = _field({}, "option of a registered dataset", metavar="K=V")
    source_data: str | None = _field(None, "another dataset for the sources [that of --data]", metavar="NAME|PATH")
    source_data_options: Options = _field({}, "option of that dataset", metavar="K=V")
    source: tuple[str, ...] = _field((), "source language; repeat for several [the dataset's own]", metavar="LANG")
    target: str | None = _field(None, "target language [the dataset's own]", metavar="LANG")
    encoder: str = _field("tiny", "a registered encoder, a Hugging Face hub name, or a folder", metavar="NAME|PATH")
    method: str = _field("metaxl", "metaxl, joint, joint-rtn or target-only", metavar="NAME")
    method_options: Options = _field({}, "option of the method", metavar="K=V")
    rtn: str = _field("mlp", "representation transformation network", metavar="NAME")
    rtn_options: Options = _field({}, "option of the RTN", metavar="K=V")
    layer: tuple[int, ...] = _field(
        (2,), "insert after this layer; 0 is the embedding output; repeat for several", metavar="N", lowest=0
    )
    backend: str = _field("func", "how the meta-gradient is computed", metavar="NAME")
    backend_options: Options = _field({}, "option of the backend", metavar="K=V")
    source_size: int | None = _field(1000, "sentences of each source language; none for all", metavar="N", lowest=1)
    target_size: int | None = _field(100, "sentences of the target language; none for all", metavar="N", lowest=1)
    stratify: bool = _field(False, "yes: samples with labels in the proportions of the whole set", metavar="yes|no")
    mixing: Literal["concatenated", "proportional", "temperature", "per-language", "bandit"] = _field(
        "concatenated",
        "of several sources: all sentences as one set; drawn by the languages' sizes, or those to the power 1/T; "
        "or batches of one language each: all in turn, or (bandit) of the language whose batches promise most",
        metavar="NAME",
    )
    temperature: float = _field(5.0, "T of mixing=temperature; more is more even", metavar="X")
    exploration: float = _field(
        0.1, "γ of mixing=bandit: share of its draws that is even; more also learns faster", metavar="X"
    )
    bucket: bool = _field(False, "yes: source batches of like length, so that little is padding", metavar="yes|no")
    epochs: int = _field(4, "passes over the source sample", metavar="N", lowest=1)
    batch_size: int = _field(16, "sentences of source and of target a step", metavar="N", lowest=1)
    accumulate: int = _field(
        1, "cut each batch into so many pieces, taken one after the other: less memory", metavar="N", lowest=1
    )
    lr: float | None = _field(None, "peak learning rate of the encoder and head [the encoder's own]", metavar="X")
    meta_lr: float = _field(1e-3, "peak learning rate of the RTN", metavar="X", lowest=0)
    optimizer: Literal["adamw", "adam"] = _field(
        "adamw", "adamw decays weights apart from the gradient; adam adds L2 to it, as released", metavar="NAME"
    )
    weight_decay: float = _field(
        0.0, "weight decay (adamw) or L2 (adam) on encoder, head and RTN", metavar="X", lowest=0
    )
    warmup: float = _field(0.1, "share of the steps in which the learning rates rise", metavar="X", lowest=0)
    clip: float = _field(10.0, "largest gradient norm, of the learner and of the RTN each", metavar="X", lowest=0)
    skip_nonfinite: int = _field(
        0, "steps with a loss or gradient that is NaN or infinite to pass over before the run stops", metavar="N",
        lowest=0,
    )  # fmt: skip
    vocabulary: Literal["auto", "full"] = _field(
        "auto",
        "auto trains a matrix of the subwords in the training data alone, where that pays; same result",
        metavar="NAME",
    )
    max_length: int = _field(128, "longest input in subwords, special tokens included", metavar="N", lowest=3)
    seed: int = _field(11, "of initialisation, dropout and data order", metavar="N", lowest=0)
    data_seed: int | None = _field(
        SPLIT_SEED,
        "of the training samples and of splits made here; none: samples follow --seed, splits stay",
        metavar="N",
        lowest=0,
    )
    precision: Literal["fp32", "tf32", "bf16"] = _field(
        "fp32", "of matrix products: tf32 is fp32 rounded by a GPU, bf16 is autocast", metavar="NAME"
    )
    attention: Literal["auto", "eager", "sdpa"] = _field(
        "auto", "sdpa is fused; auto takes it where the backend can work with it", metavar="NAME"
    )
    activations: Literal["keep", "recompute"] = _field(
        "keep", "recompute: each layer's anew in the backward pass; less memory, more time", metavar="NAME"
    )
    compile: bool = _field(
        False, "yes: torch.compile for the encoder's layers; pays on a GPU, after some minutes", metavar="yes|no"
    )
    pad_to: int = _field(
        1, "pad batches to a multiple of so many subwords, so that compiled shapes repeat", metavar="N", lowest=1
    )
    diagnose: int = _field(
        50, "log the cosine of source and target gradients every so many steps; 0: never", metavar="N", lowest=0
    )
    deterministic: bool = _field(
        False, "yes: refuse whatever cannot be repeated bit for bit, on a GPU above all", metavar="yes|no"
    )
    device: Literal["auto", "cpu", "cuda"] = _field("auto", "where to train", metavar="NAME")
    checkpoint_steps: int | None = _field(None, "save every so many steps, to go on from", metavar="N", lowest=0)
    checkpoint_minutes: float | None = _field(
        10.0, "save every so many minutes; none or 0 here and above is never", metavar="X", lowest=0
    )
    track: tuple[Literal["tensorboard", "wandb"], ...] = _field(
        (), "send losses and scores there too; repeat for both", metavar="NAME"
    )
    output: str | None = _field(None, "folder of the run, not yet there [runs/NAME]", metavar="DIR")
    plugin: tuple[str, ...] = _field((), "Python file that registers parts; repeat for several", metavar="FILE")

    def __post_init__(self) -> None:
        """Take one value, or a list, for what may be several."""
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if isinstance(spec.default, tuple) and not isinstance(value, tuple):
                object.__setattr__(self, spec.name, tuple(value) if isinstance(value, list) else (value,))

    @property
    def sample_seed(self) -> int:
        """Of the training samples."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def split_seed(self) -> int:
        """Of splits made here: the same test sentences for every `seed`."""
        return SPLIT_SEED if self.data_seed is None else self.data_seed

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> RunConfig:
        """Build from untyped values (command line, YAML). Raises ConfigError with every fault."""
        hints = get_type_hints(cls)
        values: dict[str, Any] = {}
        faults = []
        for name, value in raw.items():
            if name not in hints:
                faults.append(f"configuration: unknown key {name!r}.{did_you_mean(name, hints)}")
                continue
            try:
                values[name] = _convert_field(value, hints[name])
            except ValueError:
                faults.append(unknown_value(name, value, hints[name]))
        if faults:
            raise ConfigError(faults)
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path, given: Mapping[str, Any] | None = None) -> RunConfig:
        """Read `config.yaml`; values that are `given` override its own.

        Raises ConfigError, also if the file names code (a plugin, a class) that is not given.
        """
        return cls.from_mapping(checked(read_yaml(path), given or {}, f"configuration file {str(path)!r}"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values: lists for tuples."""
        plain = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    def to_yaml(self) -> str:
        """The YAML that `from_yaml` reads."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def validated(self) -> RunConfig:
        """The same configuration with options in their declared types.

        Loads the plugins it names. Raises ConfigError with every fault that can be seen before data and weights
        are read.
        """
        faults = [*_range_faults(self)]
        for plugin in self.plugin:
            collected(faults, lambda plugin=plugin: load_plugin(Path(plugin).resolve()))  # type: ignore[misc]
        changes: dict[str, Any] = {}
        for kind, registry in _PARTS.items():
            options = getattr(self, f"{kind}_options")
            if getattr(self, kind) is None:
                if options:
                    faults.append(f"{kind}_options: received {options}; name a {kind} too.")
                continue
            changes[f"{kind}_options"] = checked_options(registry, getattr(self, kind), options, faults)
        if self.method == "metaxl" and self.target_size is not None and min(self.target_size, self.batch_size) < 2:
            faults.append("metaxl splits each target batch into support and query: target_size and batch_size "
                          "must be at least 2.")  # fmt: skip
        typed = dataclasses.replace(self, **changes)
        faults += compatibility.faults_of(typed)
        if faults:
            raise ConfigError(faults)
        return typed


_PARTS: dict[str, Registry] = {"task": TASKS, "data": DATASETS, "source_data": DATASETS, "method": METHODS,
                               "rtn": RTNS, "backend": BACKENDS}  # fmt: skip


_SMALLEST_RATE = 1.2e-38
"""A smaller inner learning rate makes no meta-gradient."""


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping from a file, by the safe loader. Raises ConfigError."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"configuration file {str(path)!r} cannot be read: {error.strerror}."]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError([f"configuration file {str(path)!r} is not YAML: {problem}."]) from error
    if not isinstance(raw, dict):
        raise ConfigError([f"configuration file {str(path)!r} holds a {type(raw).__name__}; a mapping is needed."])
    return raw


def allowed_values(owner: type, name: str) -> tuple[str, ...]:
    """What a field of a dataclass may be, where its type is a choice."""
    found: tuple[str, ...] = get_type_hints(owner)[name].__args__
    return found


def unknown_value(name: str, value: Any, kind: Any) -> str:
    """The message for a value of the wrong type."""
    if get_origin(kind) is Literal:
        return unknown(name, value, kind.__args__)
    if get_origin(kind) is tuple:
        return f"{name}: received {value!r}; allowed: {describe(kind.__args__[0])}, given once for each."
    wanted = "a mapping of options" if get_origin(kind) is dict else describe(kind)
    return f"{name}: received {value!r}; allowed: {wanted}."


def _convert_field(value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(convert(item, kind.__args__[0]) for item in items)
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise ValueError(value)
        return {str(key): option for key, option in value.items()}
    return convert(value, kind)


def _range_faults(config: RunConfig) -> list[str]:
    faults = []
    for spec in dataclasses.fields(config):
        lowest = spec.metadata["lowest"]
        values = getattr(config, spec.name)
        if lowest is None or values is None:
            continue
        for value in values if isinstance(values, tuple) else (values,):
            if value < lowest:
                faults.append(f"{spec.name}: received {value}; allowed: {lowest} or more.")
    if not config.layer:
        faults.append("layer: received none; at least one is needed.")
    if len(set(config.layer)) < len(config.layer):
        faults.append(f"layer: received {list(config.layer)}; each layer once.")
    if config.pad_to > 0 and config.max_length % config.pad_to:
        faults.append(f"pad_to: received {config.pad_to}; allowed: what divides max_length ({config.max_length}).")
    if config.temperature <= 0:
        faults.append(f"temperature: received {config.temperature}; allowed: a number above 0.")
    if not 0 < config.exploration <= 1:
        faults.append(f"exploration: received {config.exploration}; allowed: a share above 0, up to 1.")
    if config.warmup > 1:
        faults.append(f"warmup: received {config.warmup}; allowed: a share between 0 and 1.")
    if config.lr is not None and config.lr < _SMALLEST_RATE:
        faults.append(f"lr: received {config.lr}; allowed: a number above 1.2e-38, below which fp32 holds 0.")
    return faults


def encoder_is_registered(name: str) -> bool:
    """Whether `--encoder` names a registered part rather than a hub name or a folder."""
    return name in ENCODERS.names()
