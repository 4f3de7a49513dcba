"""Prepare a run: check its configuration, and load data, encoder and components before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from xltransfer.backends.base import Backend
from xltransfer.config import RunConfig
from xltransfer.data.batching import Encoded
from xltransfer.data.encoding_cache import cache_key, load_or_encode
from xltransfer.data.examples import Example
from xltransfer.data.sampling import sample
from xltransfer.data.unknown_words import unknown_share
from xltransfer.datasets.base import SPLITS, Dataset
from xltransfer.datasets.quality import find_data_problems
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.loading import EncoderFiles, load_learner, open_encoder
from xltransfer.errors import ConfigError, EncoderError, explain_machine_error
from xltransfer.methods.base import Method
from xltransfer.registry import BACKENDS, METHODS, RTNS, TASKS, Registry
from xltransfer.registry.compatibility import attention_for
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.checks import check_rtn_outputs
from xltransfer.tasks.base import Task
from xltransfer.training.data.reading import (
    collect_labels,
    open_datasets,
    report_findings,
    resolve_languages,
    target_sample,
)
from xltransfer.training.data.self_training import labelled_by_teacher
from xltransfer.training.device import autocast, choose_device, set_matmul_precision
from xltransfer.training.progress import Reporter
from xltransfer.utils.processes import ALONE, Processes

_MANY_UNKNOWN = 0.2


@dataclass(frozen=True)
class EncodedSet:
    """Examples and their encodings. Long examples may have several encodings, one per piece."""

    examples: Sequence[Example]
    encoded: Sequence[Encoded]


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to train. `config` is resolved: every default has its value."""

    config: RunConfig
    device: torch.device
    autocast: Callable[[], AbstractContextManager[object]]
    task: Task
    labels: tuple[str, ...]
    encoder: EncoderFiles
    learner: Learner
    rtn: RTN
    method: Method
    backend: Backend
    source: EncodedSet
    target: EncodedSet
    dev: EncodedSet
    test: EncodedSet
    processes: Processes = ALONE
    """The data-parallel processes of this run."""
    scheme: str | None = None
    """The scheme of the target's entity tags in its files, if it is not BIO."""


def prepare(config: RunConfig, reporter: Reporter) -> PreparedRun:
    """Resolve names and load data, encoder and components. Raises UserError for any fault of the input."""
    config = config.validated()
    device = choose_device(config.device)
    context = autocast(config.precision, device)
    set_matmul_precision(config.precision)
    task: Task = TASKS.load(config.task)(**config.task_options)
    sources, dataset = open_datasets(config)
    config = resolve_languages(config, sources, dataset)
    encoder = open_encoder(config.encoder)
    config = dataclasses.replace(config, lr=config.lr or encoder.default_lr)
    encoder.check(config.layer, config.max_length)

    assert config.target is not None
    samples, target, dev, test, labels = _read(config, task, sources, dataset, reporter)

    def encoded(examples: Sequence[Example]) -> EncodedSet:
        key = cache_key(examples, encoder.tokenizer, config.task, config.task_options, labels, config.max_length)
        return EncodedSet(
            examples, load_or_encode(key, lambda: task.encode(examples, labels, encoder.tokenizer, config.max_length))
        )

    sets = {name: encoded(part) for name, part in {"target": target, "dev": dev, "test": test}.items()}
    source_parts = [encoded(part) for part in samples.values()]
    sets["source"] = _concatenate(source_parts)
    _warn_truncated(sets, config.max_length, reporter)
    reporter.stage(f"loading encoder {config.encoder}")
    method, backend, rtn = _build_components(config, task, encoder, reporter)
    learnt = list(zip(samples, source_parts, strict=True)) if method.uses_source else []
    for language, part in (*learnt, (config.target, sets["target"])):
        _check_unknown(language, part, encoder, config.unknown_words, reporter)
    attention = attention_for(config)
    learner = load_learner(encoder, task.auto_class, labels, config.layer, attention, config.seed, reporter.note).to(
        device
    )
    learner.recompute = config.activations == "recompute"
    if config.compile:
        learner.compile_layers()
    return PreparedRun(
        config, device, context, task, labels, encoder, learner, rtn.to(device), method, backend, sets["source"],
        sets["target"], sets["dev"], sets["test"], scheme=dataset.tag_scheme(config.target),
    )  # fmt: skip


def _read(
    config: RunConfig, task: Task, sources: Dataset, dataset: Dataset, reporter: Reporter
) -> tuple[dict[str, list[Example]], list[Example], list[Example], list[Example], tuple[str, ...]]:
    """Read and sample the data: the source samples by name; the target sample; dev; test; and the labels."""
    assert config.target is not None
    reporter.stage(f"reading {config.data}: {', '.join(config.source)} to {config.target}")
    pools = [sources.load(task, language, "train") for language in config.source]
    splits = {split: dataset.load(task, config.target, split) for split in SPLITS}
    target_pool, dev, test = splits.values()
    for note in dict.fromkeys([*sources.notes(), *dataset.notes()]):
        reporter.note(note)
    labels = collect_labels(task, pools, target_pool, reporter)
    samples = {
        language: sample(pool, config.source_size, config.sample_seed, f"source_size ({language})", config.stratify)
        for language, pool in zip(config.source, pools, strict=True)
    }
    target = target_sample(config, target_pool)
    if config.taught:
        samples[config.sources[-1]] = labelled_by_teacher(config, task, splits.__getitem__, target, reporter)
    report_findings(find_data_problems(task, samples, target, dev, test), reporter)
    return samples, target, dev, test, labels


def _concatenate(languages: Sequence[EncodedSet]) -> EncodedSet:
    """Concatenate the sets of all source languages and set each sentence's language index."""
    marked = [dataclasses.replace(e, language=index) for index, part in enumerate(languages) for e in part.encoded]
    return EncodedSet([example for part in languages for example in part.examples], marked)


def _warn_truncated(sets: dict[str, EncodedSet], max_length: int, reporter: Reporter) -> None:
    """Warn of texts that are longer than the encoder's input."""
    for name, part in sets.items():
        if cut := sum(encoded.cut for encoded in part.encoded):
            reporter.warn(
                f"{name}: {cut} of {len(part.examples)} texts are cut at --max-length {max_length}; a tagged word that "
                "is cut off counts as O, or as wrong; --task-opt long=window tags long sentences in pieces."
            )


def _check_unknown(language: str, part: EncodedSet, encoder: EncoderFiles, most: float, reporter: Reporter) -> None:
    """Warn if the tokenizer does not know many of the training words. Raises EncoderError if it knows too few."""
    share = unknown_share(part.encoded, encoder.tokenizer)
    said = (f"{language}: the tokenizer of encoder {encoder.name!r} does not know {100 * share:.0f} % of the training "
            "words")  # fmt: skip
    if share > most:
        raise EncoderError(f"{said}; allowed: up to {100 * most:g} %. Take an encoder for this script, or allow more "
                           "with --unknown-words.")  # fmt: skip
    if share > _MANY_UNKNOWN:
        reporter.warn(f"{said}; an encoder that knows this script will do better.")


def _build_components(
    config: RunConfig, task: Task, encoder: EncoderFiles, reporter: Reporter
) -> tuple[Method, Backend, RTN]:
    """Build method, backend and RTN, and check that they fit together. Raises ConfigError."""
    method = _instantiate(METHODS, config.method, config.method_options)
    backend = _instantiate(BACKENDS, config.backend, config.backend_options)
    info = RTNInfo(encoder.config.hidden_size, config.layer, config.sources, encoder.config)
    rtn_class: type[RTN] = RTNS.load(config.rtn)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        try:
            rtn = rtn_class.build(info, **config.rtn_options)
        except Exception as error:
            fault = ConfigError([f"rtn {config.rtn}: {_describe_error(error)}"])
            raise explain_machine_error(error) or fault from error
    if method.uses_rtn and rtn.weighs:
        _check_weighing(config, task, method)
    if method.uses_rtn and (warning := check_rtn_outputs(config.rtn, rtn, info, task.kind)):
        reporter.warn(warning)
    return method, backend, rtn


def _check_weighing(config: RunConfig, task: Task, method: Method) -> None:
    """Check that task and method support an RTN that weights source losses. Raises ConfigError."""
    faults = []
    if not task.has_losses:
        faults.append(
            f"task {config.task}: rtn {config.rtn} weighs source losses, for which its class {type(task).__name__} "
            "lacks losses(logits, labels) beside its loss: the loss of each label, in the shape of labels, 0 where "
            "that is -100. Add it, or choose an RTN that does not weigh."
        )
    if not method.trains_weights:
        others = [name for name in METHODS.names() if (kind := METHODS.load(name)).uses_rtn and kind.trains_weights]
        faults.append(
            f"method {config.method}: it trains the RTN by the source loss itself, so that the weights of rtn "
            f"{config.rtn} would only become small; methods that can train them: {', '.join(others)}."
        )
    if faults:
        raise ConfigError(faults)


def _instantiate(registry: Registry, name: str, options: Mapping[str, Any]) -> Any:
    """Build a registered component with its options. Raises ConfigError."""
    component = registry.load(name)
    try:
        return component(**options)
    except Exception as error:  # a plugin may raise anything
        raise ConfigError([f"{registry.kind} {name}: {_describe_error(error)}"]) from error


def _describe_error(error: Exception) -> str:
    """The message of a ValueError, which a constructor raises for bad values; other errors with their type."""
    return str(error) if isinstance(error, ValueError) else f"cannot be built: {type(error).__name__}: {error}."
