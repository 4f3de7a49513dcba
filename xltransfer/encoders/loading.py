"""Find an encoder by name and load its tokenizer and a learner with a new head."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers

from xltransfer.encoders.checks import check_tokenizer, require_tokenizer_files
from xltransfer.encoders.layouts import layer_count, layout_for, longest_input
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.source import EncoderSource
from xltransfer.encoders.untrusted import refuse_code
from xltransfer.encoders.weights import check_loaded, load_without_head, saved_heads
from xltransfer.errors import EncoderError, did_you_mean, explain_machine_error
from xltransfer.registry import ENCODERS

_HUB_FILES = ["*.json", "*.safetensors", "*.model", "vocab.txt", "merges.txt"]

LOCAL = {"local_files_only": True, "trust_remote_code": False}  # unsaid, transformers asks on the terminal


@dataclass(frozen=True)
class EncoderFiles:
    """An encoder on this machine: folder, configuration and tokenizer, without weights."""

    name: str
    folder: Path
    config: Any
    tokenizer: Any
    default_lr: float

    @property
    def padding(self) -> dict[str, int]:
        """The padding value of each tokenizer feature."""
        return {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": self.tokenizer.pad_token_type_id}

    def check(self, layers: Sequence[int], max_length: int) -> None:
        """Raise EncoderError if an insertion layer or the input length exceeds this encoder's."""
        layout_for(self.config.model_type)
        last, longest = layer_count(self.config), longest_input(self.config)
        for layer in layers:
            if layer > last:
                raise EncoderError(
                    f"layer: received {layer}; allowed: 0 to {last}, the layers of encoder {self.name!r}."
                )
        if max_length > longest:
            raise EncoderError(f"max_length: received {max_length}; allowed: 3 to {longest} (encoder {self.name!r}).")


def open_encoder(name: str) -> EncoderFiles:
    """Find an encoder by registered name, folder or hub name, and read its configuration and tokenizer.

    Raises EncoderError: not found, not reachable, damaged, or of an architecture outside the layout table.
    """
    source: EncoderSource | None = ENCODERS.load(name)() if name in ENCODERS.names() or _is_class(name) else None
    location = source.location() if source else name
    folder = Path(location) if Path(location).is_dir() else _download(location)
    _check_weights(folder)
    refuse_code(folder)
    with quiet_transformers():
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
            tokenizer = _load_tokenizer(folder)
        except Exception as error:  # transformers raises many kinds on a damaged or incomplete folder
            message = f"encoder {name!r}: {folder} cannot be read: {_one_line(error)}"
            raise explain_machine_error(error) or EncoderError(message) from error
    layout_for(config.model_type)
    check_tokenizer(name, tokenizer, config)
    return EncoderFiles(name, folder, config, tokenizer, (source or EncoderSource).default_lr)


def load_learner(
    files: EncoderFiles, auto_class: str, labels: Sequence[str], layers: Sequence[int], attention: str | None,
    seed: int, note: Callable[[str], None] = lambda message: None,
) -> Learner:  # fmt: skip
    """Load the encoder in float32 with a new head of `len(labels)` outputs, initialised from `seed`.

    `attention` is an implementation's name in transformers, None for its default. `note` is told if the checkpoint has
    a head of its own, which is not used. Raises EncoderError.
    """
    ids = dict(enumerate(labels))
    options = {"num_labels": len(labels), "id2label": ids, "label2id": {label: index for index, label in ids.items()}}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _load_model(files.folder, auto_class, files.name, options, attention)
    if heads := saved_heads(files.folder):
        note(f"encoder {files.name!r}: its own head ({', '.join(heads)}) is not used; the head of this run is new.")
    return Learner(model, layers)


def load_trained(folder: Path, auto_class: str) -> Learner:
    """Load a saved model with its head, in evaluation mode. Raises EncoderError."""
    _check_weights(folder)
    refuse_code(folder)
    return Learner(_load_model(folder, auto_class, str(folder)), ()).eval()


def _load_model(
    folder: Path, auto_class: str, name: str, labels: Mapping[str, Any] | None = None, attention: str | None = None
) -> Any:
    """Load a model in float32, with a new head if `labels` describes one, else with that it was saved with."""
    options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
    if labels is not None:
        options["attn_implementation"] = attention
    with quiet_transformers():
        try:
            if labels is not None and saved_heads(folder):
                config = transformers.AutoConfig.from_pretrained(folder, **labels, **LOCAL)
                model, info = load_without_head(folder, auto_class, config, **options)
            else:
                options |= {"use_safetensors": True, **(labels or {}), **LOCAL}
                model, info = getattr(transformers, auto_class).from_pretrained(folder, **options)
        except Exception as error:  # transformers raises many kinds on weights that do not fit
            message = f"encoder {name!r}: weights in {folder} cannot be loaded: {_one_line(error)}"
            raise explain_machine_error(error) or EncoderError(message) from error
    check_loaded(name, model, info, new_head=labels is not None)
    return model


def _load_tokenizer(folder: Path) -> Any:
    require_tokenizer_files(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)
    if not tokenizer.is_fast:
        raise EncoderError("its tokenizer has no fast version, which word alignment needs (tokenizer.json)")
    if type(tokenizer.backend_tokenizer.pre_tokenizer).__name__ == "ByteLevel":  # words, not text, come in for tagging
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, add_prefix_space=True, **LOCAL)
    if tokenizer.pad_token_id is None:
        raise EncoderError("its tokenizer has no padding token")
    return tokenizer


def _is_class(name: str) -> bool:
    return ":" in name and not Path(name).exists()


def _download(name: str) -> Path:
    """The folder of a hub model: from the local cache, else fetched; safetensors and JSON only."""
    import huggingface_hub

    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise EncoderError(
            f"encoder: {name!r} is not a folder; give one, a hub name, or {', '.join(ENCODERS.names())}."
        )
    try:
        try:
            folder = huggingface_hub.snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True)
        except huggingface_hub.errors.LocalEntryNotFoundError:
            folder = huggingface_hub.snapshot_download(name, allow_patterns=_HUB_FILES)
    except Exception as error:  # network, authentication, unknown repository, invalid name
        raise EncoderError(
            f"encoder {name!r} is not registered ({', '.join(ENCODERS.names())}), not a folder here, and could not be "
            f"fetched from the hub ({type(error).__name__}: {_one_line(error)[:160]})."
            f"{did_you_mean(name, ENCODERS.names())} "
            f"Offline: run 'hf download {name} --local-dir DIR' on a connected machine, copy DIR, pass --encoder DIR."
        ) from error
    return Path(folder)


def _check_weights(folder: Path) -> None:
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise EncoderError(
            f"encoder: {folder} lacks {'config.json' if weights else 'model.safetensors'}; a folder in Hugging Face "
            "layout is needed, with weights as safetensors (pickled .bin files are not read)."
        )
    for file in weights:
        try:
            with safetensors.safe_open(file, "pt") as opened:
                opened.keys()
        except (safetensors.SafetensorError, OSError) as error:
            raise EncoderError(
                f"encoder: {file} is damaged or cut short ({_one_line(error)}); fetch it again."
            ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' reports on new heads and its progress bars."""
    level = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()
