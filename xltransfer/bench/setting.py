"""Set up a benchmark: encoder, RTN, insertion layers, and random batches of a given shape."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from xltransfer.data.batching import Batch
from xltransfer.encoders.layouts import layer_count
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.loading import load_learner, open_encoder, quiet_transformers
from xltransfer.encoders.vocabulary import CompactVocabulary
from xltransfer.errors import ConfigError
from xltransfer.registry import RTNS
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.tasks.base import cross_entropies
from xltransfer.training.device import autocast, choose_device
from xltransfer.utils.seeding import seeded

LABELS = tuple(f"label-{number}" for number in range(7))
RANDOM: dict[str, dict[str, int]] = {
    "random:multilingual-minilm": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12},
    "random:xlm-roberta-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "random:xlm-roberta-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
}
"""The true dimensions of published encoders, with random weights: for timing without a download."""


@dataclass(frozen=True)
class BenchSetting:
    """A batch of `batch` source and as many target sentences of `length` subwords; half the target is support."""

    encoder: str = "tiny"
    rtn: str = "mlp"
    layer: tuple[int, ...] = (2,)
    batch: int = 10
    length: int = 32
    precision: str = "fp32"
    device: str = "auto"
    vocabulary: int = 250_002
    """Rows of the word embedding of an encoder with random weights."""
    activations: str = "keep"
    compile: bool = False
    dtype: torch.dtype = torch.float32

    def faults(self) -> list[str]:
        """List every invalid value."""
        lowest = {"batch": 2, "length": 3, "vocabulary": 1000}
        return [
            f"{name}: received {getattr(self, name)}; allowed: {least} or more."
            for name, least in lowest.items()
            if getattr(self, name) < least
        ]


@dataclass(frozen=True)
class Bench:
    """A setting with its encoder, RTN and batches. Losses are means over the batch's subwords."""

    learner: Learner
    rtn: RTN
    source: Batch
    target: Batch
    autocast: Callable[[], AbstractContextManager[object]]

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of tagging, a scalar."""
        return nn.functional.cross_entropy(logits.flatten(0, 1).to(_wide(logits)), batch.labels.flatten())

    def losses(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Per-subword losses and their mask (all true), both (batch, time)."""
        return cross_entropies(logits, batch.labels), torch.ones_like(batch.labels, dtype=torch.bool)


def build(setting: BenchSetting, attention: str | None, compact: bool) -> Bench:
    """Build encoder, RTN and batches, with the same numbers for every `attention` and `compact`. Raises UserError."""
    device = choose_device(setting.device)
    with device:  # random weights are drawn there
        learner = _learner(setting, attention).to(device=device, dtype=setting.dtype).train()
    config = learner.model.config
    last = layer_count(config)
    if wrong := [layer for layer in setting.layer if not 0 <= layer <= last]:
        raise ConfigError([f"layer: received {wrong[0]}; allowed: 0 to {last}, the layers of {setting.encoder}."])
    with seeded(2):
        info = RTNInfo(config.hidden_size, setting.layer, ("source",), config)
        rtn: RTN = RTNS.load(setting.rtn).build(info).to(device=device, dtype=setting.dtype)
        source, target = (_random_batch(setting, config.vocab_size, config.pad_token_id).to(device) for _ in range(2))
    if compact:
        source, target = _compacted(learner, source, target)
    rtn = rtn.for_batch(source.languages)
    learner.recompute = setting.activations == "recompute"
    if setting.compile:
        learner.compile_layers()
    return Bench(learner, rtn, source, target, autocast(setting.precision, device))


def layer_total(setting: BenchSetting) -> int:
    """The number of encoder layers L."""
    if setting.encoder in RANDOM:
        return RANDOM[setting.encoder]["num_hidden_layers"]
    return layer_count(open_encoder(setting.encoder).config)


def _learner(setting: BenchSetting, attention: str | None) -> Learner:
    if setting.encoder not in RANDOM:
        files = open_encoder(setting.encoder)
        return load_learner(files, "AutoModelForTokenClassification", LABELS, setting.layer, attention, 1)
    sizes: dict[str, Any] = RANDOM[setting.encoder]
    config = transformers.XLMRobertaConfig(
        vocab_size=setting.vocabulary, max_position_embeddings=514, type_vocab_size=1, num_labels=len(LABELS),
        intermediate_size=4 * sizes["hidden_size"], **sizes,
    )  # fmt: skip
    with seeded(1), quiet_transformers():
        model = transformers.AutoModelForTokenClassification.from_config(config, attn_implementation=attention)
    return Learner(model, setting.layer)


def _random_batch(setting: BenchSetting, vocabulary: int, padding: int | None) -> Batch:
    shape = (setting.batch, setting.length)
    ids = torch.randint((padding or 0) + 1, vocabulary, shape)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return Batch(inputs, torch.randint(0, len(LABELS), shape), torch.zeros(setting.batch, dtype=torch.long))


def _compacted(learner: Learner, source: Batch, target: Batch) -> tuple[Batch, Batch]:
    used = {token for batch in (source, target) for row in batch.inputs["input_ids"].tolist() for token in row}
    padding = learner.model.config.pad_token_id
    vocabulary = CompactVocabulary.reduce_if_worthwhile(learner, used | ({padding} if padding is not None else set()))
    if vocabulary is None:
        return source, target
    for batch in (source, target):
        batch.inputs["input_ids"] = vocabulary.to_reduced_ids(batch.inputs["input_ids"])
    return source, target


def _wide(logits: Tensor) -> torch.dtype:
    return torch.float64 if logits.dtype == torch.float64 else torch.float32
