"""The configuration of a run, `RunConfig`: read from YAML or the command line, and validated once.

The command line's options, with their groups, help and defaults, are made from its fields.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml

from xltransfer.errors import ConfigError, did_you_mean, shortened
from xltransfer.registry import BACKENDS, DATASETS, METHODS, RTNS, TASKS, Registry, compatibility, load_plugin
from xltransfer.registry.limits import LARGEST_SEED, MOST, number_faults, text_faults
from xltransfer.registry.options import collect_fault, convert_options
from xltransfer.registry.trusted_code import checked
from xltransfer.registry.values import LARGEST, convert_field, type_fault

Options = dict[str, Any]
GROUPS = ("data", "model", "method", "optimisation", "performance", "run")
"""The groups of the fields, which the command line's help and the documentation show."""
SPLIT_SEED = 42
"""Seed of the splits made here, where `data_seed` gives none."""
_SMALLEST_RATE = 1.2e-38


def _field(group: str, default: Any, help: str, metavar: str = "", *, lowest: float | None = None,
           highest: float | None = None, common: bool = False) -> Any:  # fmt: skip
    """A field of RunConfig; `common` ones come first in the help. Numbers lie between `lowest` and `highest`."""
    if highest is None:
        highest = {"N": MOST, "X": LARGEST}.get(metavar)
    metadata = {"group": group, "help": help, "metavar": metavar, "lowest": lowest, "highest": highest,
                "common": common}  # fmt: skip
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


_data, _model, _method, _optimisation, _performance, _run = (functools.partial(_field, group) for group in GROUPS)


@dataclass(frozen=True)
class RunConfig:
    """The complete configuration of one training run: the same values give the same result."""

    task: str = _data("ner", "what to learn: ner, pos, classification, sentiment or pair", "NAME", common=True)
    task_options: Options = _data({}, "option of the task", "K=V")
    data: str = _data(
        "synthetic", "registered dataset, or folder with one subfolder per language", "NAME|PATH", common=True
    )
    data_options: Options = _data({}, "option of the dataset, as columns=, scheme= and scale= of a folder", "K=V")
    source_data: str | None = _data(None, "dataset of the source languages (default: that of --data)", "NAME|PATH")
    source_data_options: Options = _data({}, "option of that dataset", "K=V")
    source: tuple[str, ...] = _data(
        (), "source language; repeat for several (default: the dataset's)", "LANG", common=True
    )
    target: str | None = _data(None, "target language (default: the dataset's)", "LANG", common=True)
    rounds: int = _data(
        0, "self-training: train N teachers first, each from the one before, in DIR-teacher", "N", lowest=0, highest=9
    )
    teacher: str | None = _data(
        None, "finished run whose predictions on --unlabelled are a further source, as those of --rounds", "RUN"
    )
    unlabelled: str = _data(
        "train", "what a teacher labels: a split of the target, without its own labels, or a file of one text a line",
        "SPLIT|FILE",
    )  # fmt: skip
    unlabelled_size: int | None = _data(1000, "of it, sentences drawn at most; none: all", "N", lowest=1)
    unlabelled_keep: float = _data(
        1.0, "of these, the share that is kept: those the teacher is most certain of", "X", lowest=0.01, highest=1
    )
    encoder: str = _model("tiny", "registered encoder, Hugging Face hub name, or folder", "NAME|PATH", common=True)
    unknown_words: float = _model(
        0.5, "largest share of the training words that the encoder's tokenizer may not know", "X", lowest=0, highest=1
    )
    method: str = _method("metaxl", "metaxl, joint, joint-rtn or target-only", "NAME", common=True)
    method_options: Options = _method({}, "option of the method", "K=V")
    rtn: str = _method("mlp", "representation transformation network", "NAME", common=True)
    rtn_options: Options = _method({}, "option of the RTN", "K=V")
    layer: tuple[int, ...] = _method(
        (2,), "insert the RTN after this layer; 0: after the embeddings; repeat for several", "N", lowest=0,
        common=True,
    )  # fmt: skip
    backend: str = _method("func", "how to compute the meta-gradient", "NAME")
    backend_options: Options = _method({}, "option of the backend", "K=V")
    source_size: int | None = _data(1000, "training sentences per source language; none: all", "N", lowest=1)
    target_size: int | None = _data(
        100, "training sentences of the target language; none: all", "N", lowest=1, common=True
    )
    stratify: bool = _data(False, "sample in proportion to the labels of the whole set")
    mixing: Literal["concatenated", "proportional", "temperature", "per-language", "bandit"] = _data(
        "concatenated",
        "batches from several sources: one shuffled set (concatenated); sampled by language size (proportional) or by "
        "size to the power 1/T (temperature); one language a batch, in turn (per-language) or by expected usefulness "
        "(bandit)",
        "NAME",
    )
    temperature: float = _data(5.0, "T of --mixing temperature; higher is more even", "X", lowest=0.05)
    exploration: float = _data(0.1, "γ of --mixing bandit: share of even draws; higher also learns faster", "X")
    bucket: bool = _performance(False, "batch source sentences of similar length, for less padding")
    epochs: int = _optimisation(4, "passes over the source sample", "N", lowest=1, common=True)
    batch_size: int = _optimisation(16, "source sentences, and target sentences, per step", "N", lowest=1)
    accumulate: int = _performance(
        1, "gradient accumulation: process each batch in N pieces, for less memory", "N", lowest=1
    )
    lr: float | None = _optimisation(None, "peak learning rate of encoder and head (default: the encoder's)", "X")
    layer_decay: float = _optimisation(
        1.0, "factor of the learning rate from each layer to the one below it, as 0.9", "X", lowest=0.1, highest=1
    )
    meta_lr: float = _optimisation(1e-3, "peak learning rate of the RTN", "X", lowest=0)
    optimizer: Literal["adamw", "adam"] = _optimisation(
        "adamw", "adamw (decoupled weight decay) or adam (L2 in the gradient, as released)", "NAME"
    )
    weight_decay: float = _optimisation(0.0, "weight decay (adamw) or L2 (adam)", "X", lowest=0, highest=1e6)
    warmup: float = _optimisation(0.1, "share of the steps with rising learning rates", "X", lowest=0, highest=1)
    clip: float = _optimisation(10.0, "maximum gradient norm of encoder and head, and of the RTN", "X", lowest=0)
    consistency: float = _optimisation(
        0.0, "R-Drop: weight of how far two passes of a target batch are apart, as 1; 0: one pass", "X", lowest=0,
        highest=1e6,
    )  # fmt: skip
    average: float = _optimisation(
        0.0, "decay of a moving average of encoder and head over the steps, as 0.99, scored and saved; 0: none", "X",
        lowest=0, highest=0.9999,
    )  # fmt: skip
    skip_nonfinite: int = _run(0, "steps with NaN or infinite gradients to skip before stopping", "N", lowest=0)
    vocabulary: Literal["auto", "full"] = _performance(
        "auto", "train the embeddings of the subwords in the training data (auto; same result) or all (full)", "NAME"
    )
    max_length: int = _data(128, "maximum input length in subwords, special tokens included", "N", lowest=3)
    seed: int = _run(
        11, "seed of initialisation, dropout and data order", "N", lowest=0, highest=LARGEST_SEED, common=True
    )
    data_seed: int | None = _data(
        SPLIT_SEED, "seed of training samples and of splits made here; none: samples follow --seed", "N", lowest=0,
        highest=LARGEST_SEED,
    )  # fmt: skip
    precision: Literal["fp32", "tf32", "bf16"] = _performance(
        "fp32", "of matrix products: fp32, tf32 (fp32 rounded by the GPU) or bf16 (autocast)", "NAME"
    )
    attention: Literal["auto", "eager", "sdpa"] = _performance(
        "auto", "sdpa (fused), eager, or auto (fused if the backend supports it)", "NAME"
    )
    activations: Literal["keep", "recompute"] = _performance(
        "keep", "keep, or recompute in the backward pass (less memory, more time)", "NAME"
    )
    compile: bool = _performance(False, "torch.compile the encoder's layers; pays off on a GPU")
    pad_to: int = _performance(1, "pad batches to a multiple of N subwords; compiled shapes then repeat", "N", lowest=1)
    diagnose: int = _run(50, "log the cosine of source and target gradients every N steps; 0: never", "N", lowest=0)
    deterministic: bool = _performance(False, "refuse operations that cannot be repeated bit for bit")
    device: Literal["auto", "cpu", "cuda"] = _performance("auto", "where to train", "NAME")
    checkpoint_steps: int | None = _run(None, "save a checkpoint every N steps", "N", lowest=0)
    checkpoint_minutes: float | None = _run(
        10.0, "save a checkpoint every X minutes; none or 0, here and above: never", "X", lowest=0
    )
    track: tuple[Literal["tensorboard", "wandb"], ...] = _run((), "also log to this tracker; repeat for both", "NAME")
    output: str | None = _run(None, "folder of the run; must not exist (default: runs/NAME)", "DIR", common=True)
    plugin: tuple[str, ...] = _run((), "Python file that registers parts; repeat for several", "FILE")

    def __post_init__(self) -> None:
        """Take one value, or a list, for what may be several."""
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if isinstance(spec.default, tuple) and not isinstance(value, tuple):
                object.__setattr__(self, spec.name, tuple(value) if isinstance(value, list) else (value,))

    @property
    def sources(self) -> tuple[str, ...]:
        """The source languages, and the target's sentences that a teacher labelled, if there is one."""
        return (*self.source, f"{self.target} by teacher") if self.taught else self.source

    @property
    def taught(self) -> bool:
        """Whether a teacher labels a further source: a finished run, or one that this run trains first."""
        return self.rounds > 0 or self.teacher is not None

    @property
    def teacher_folder(self) -> str | None:
        """The run folder of the teacher."""
        return f"{self.output}-teacher" if self.rounds else self.teacher

    @property
    def sample_seed(self) -> int:
        """Seed of the training samples."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def split_seed(self) -> int:
        """Seed of splits made here: the same test sentences for every `seed`."""
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
                values[name] = convert_field(value, hints[name])
            except ValueError:
                faults.append(type_fault(name, value, hints[name]))
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
        """Convert to plain values, tuples to lists."""
        plain = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    def to_yaml(self) -> str:
        """Write the YAML that `from_yaml` reads."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def validated(self) -> RunConfig:
        """Validate; returns the configuration with options in their declared types.

        Loads the plugins it names. Raises ConfigError with every fault that can be seen before data and weights
        are read.
        """
        if faults := [*text_faults(self.to_dict())]:
            raise ConfigError(faults)
        faults, failed = [*number_faults(self), *_range_faults(self)], list[str]()
        for plugin in self.plugin:
            collect_fault(failed, lambda plugin=plugin: load_plugin(Path(plugin).resolve()))  # type: ignore[misc]
        if failed:  # names that they were to register would be faults as well
            raise ConfigError([*faults, *failed])
        changes: dict[str, Any] = {}
        for kind, registry in _PARTS.items():
            options = getattr(self, f"{kind}_options")
            if getattr(self, kind) is None:
                if options:
                    faults.append(f"{kind}_options: received {options}; name a {kind} too.")
                continue
            changes[f"{kind}_options"] = convert_options(registry, getattr(self, kind), options, faults)
        if self.method == "metaxl" and self.target_size is not None and min(self.target_size, self.batch_size) < 2:
            faults.append("metaxl splits each target batch into support and query: target_size and batch_size "
                          "must be at least 2.")  # fmt: skip
        typed = dataclasses.replace(self, **changes)
        faults += compatibility.compatibility_faults(typed)
        if faults:
            raise ConfigError(faults)
        return typed


_PARTS: dict[str, Registry] = {"task": TASKS, "data": DATASETS, "source_data": DATASETS, "method": METHODS,
                               "rtn": RTNS, "backend": BACKENDS}  # fmt: skip


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader. Raises ConfigError."""
    file = f"configuration file {shortened(repr(str(path)))}"
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{file} cannot be read: {error.strerror}."]) from error
    except (yaml.YAMLError, ValueError) as error:  # also bytes that are not UTF-8, and numbers of thousands of digits
        problem = " ".join(str(error).split())
        raise ConfigError([f"{file} is not YAML: {problem}."]) from error
    if not isinstance(raw, dict):
        raise ConfigError([f"{file} holds a {type(raw).__name__}; a mapping is needed."])
    return raw


def _range_faults(config: RunConfig) -> list[str]:
    """Numbers within their bounds that cannot be, or not together."""
    faults = []
    if config.lr is not None and config.lr < _SMALLEST_RATE:
        faults.append(f"lr: received {config.lr}; allowed: a number above 1.2e-38, below which fp32 holds 0.")
    if not 1e-6 <= config.exploration <= 1:
        faults.append(f"exploration: received {config.exploration}; allowed: a share above 0, up to 1.")
    if not config.layer:
        faults.append("layer: received none; at least one is needed.")
    if len(set(config.layer)) < len(config.layer):
        faults.append(f"layer: received {list(config.layer)}; each layer once.")
    if config.pad_to > 0 and config.max_length % config.pad_to:
        faults.append(f"pad_to: received {config.pad_to}; allowed: what divides max_length ({config.max_length}).")
    return faults
