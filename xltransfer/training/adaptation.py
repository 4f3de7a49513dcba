"""Train an encoder further on raw text of a language, by masked-language modelling, before it is fine-tuned.

Masking and training are transformers' own (`DataCollatorForLanguageModeling`, `Trainer`). See Gururangan et al. 2020
(Don't Stop Pretraining), and Ebrahimi and Kann 2021 for languages that an encoder has not seen.
"""

from __future__ import annotations

import importlib.util
import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from xltransfer.encoders.loading import LOCAL, EncoderFiles, open_encoder, quiet_transformers
from xltransfer.errors import ConfigError, DataError, EncoderError
from xltransfer.training.device import choose_device
from xltransfer.training.progress import Reporter
from xltransfer.utils.files import atomic_folder
from xltransfer.utils.seeding import seeded

_FEWEST = 10


@dataclass(frozen=True)
class Adaptation:
    """How to train: `held_out` is the share of texts on which the loss is measured before and after."""

    epochs: int = 3
    lr: float = 5e-5
    batch_size: int = 16
    max_length: int = 128
    masked: float = 0.15
    held_out: float = 0.05
    seed: int = 11
    device: str = "auto"
    bf16: bool = False


@dataclass(frozen=True)
class Adapted:
    """The outcome: losses are means over masked subwords of the held-out texts, in nats."""

    texts: int
    held_out: int
    cut: int
    """Texts longer than `max_length`, whose end was not read."""
    steps: int
    loss_before: float
    loss_after: float


def adapt(encoder: str, texts: Sequence[str], output: Path, how: Adaptation, reporter: Reporter) -> Adapted:
    """Train an encoder on texts and write it to `output` as a folder that runs take as their encoder.

    Empty and repeated texts are left out. Raises ConfigError if `output` exists or Accelerate is missing, DataError for
    too few texts, and EncoderError for an encoder without the head of masked-language modelling.
    """
    if output.exists():
        raise ConfigError([f"output: {str(output)!r} exists; name another folder."])
    if importlib.util.find_spec("accelerate") is None:
        raise ConfigError(["adapt: transformers' Trainer needs Accelerate, which is not installed. Run: pip install "
                           "'xltransfer[distributed]'"])  # fmt: skip
    lines = [*dict.fromkeys(line for text in texts if (line := " ".join(text.split())))]
    if len(lines) < _FEWEST:
        raise DataError(f"input: received {len(lines)} different texts; at least {_FEWEST} are needed.")
    random.Random(how.seed).shuffle(lines)
    files = open_encoder(encoder)
    files.check((), how.max_length)
    reporter.stage(f"loading encoder {encoder}")
    model = _load(files, how.seed)
    encoded = [files.tokenizer(line, truncation=True, max_length=how.max_length) for line in lines]
    cut = sum(len(one["input_ids"]) == how.max_length for one in encoded)
    kept = max(1, round(how.held_out * len(lines)))
    with atomic_folder(output) as folder, tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(model, files.tokenizer, encoded[kept:], encoded[:kept], how, scratch, reporter)
        before = _loss(trainer, how.seed)
        reporter.note(f"{len(lines) - kept:,} texts of {len(texts):,} lines, {kept} held out; loss {before:.3f} "
                      f"(perplexity {math.exp(min(before, 99)):.1f})")  # fmt: skip
        try:
            done = trainer.train()
        finally:
            reporter.stop()
        after = _loss(trainer, how.seed)
        if not math.isfinite(after):
            raise EncoderError(f"encoder {encoder!r}: its loss is {after} in the end; take a lower --lr.")
        with quiet_transformers():
            model.cpu().save_pretrained(folder)
            files.tokenizer.save_pretrained(folder)
    return Adapted(len(lines) - kept, kept, cut, done.global_step, before, after)


def _load(files: EncoderFiles, seed: int) -> Any:
    """Load the model with its head. Raises EncoderError if it has none."""
    if files.tokenizer.mask_token_id is None:
        raise EncoderError(
            f"encoder {files.name!r}: its tokenizer has no mask token, so it was not trained by masking."
        )
    options = {**LOCAL, "use_safetensors": True, "dtype": torch.float32}
    with quiet_transformers(), seeded(seed):
        try:
            model, info = transformers.AutoModelForMaskedLM.from_pretrained(
                files.folder, output_loading_info=True, **options
            )
        except ValueError as error:
            raise EncoderError(f"encoder {files.name!r}: transformers knows no masked-language model of its kind "
                               f"({files.config.model_type}).") from error  # fmt: skip
    lacking = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if lacking:
        raise EncoderError(f"encoder {files.name!r}: its weights lack the head of masked-language modelling "
                           f"({lacking[0]}, ...); take the pretrained checkpoint that it was made from.")  # fmt: skip
    return model


def _trainer(
    model: Any, tokenizer: Any, training: list[Any], held_out: list[Any], how: Adaptation, scratch: str,
    reporter: Reporter,
) -> Any:  # fmt: skip
    cpu = choose_device(how.device).type == "cpu"
    steps = -(-len(training) // how.batch_size) * how.epochs
    arguments = transformers.TrainingArguments(
        output_dir=scratch, num_train_epochs=how.epochs, learning_rate=how.lr, weight_decay=0.01,
        warmup_steps=max(1, round(0.06 * steps)), per_device_train_batch_size=how.batch_size,
        per_device_eval_batch_size=how.batch_size, seed=how.seed, data_seed=how.seed, use_cpu=cpu, bf16=how.bf16,
        save_strategy="no", eval_strategy="no", logging_strategy="steps", logging_steps=1, report_to="none",
        disable_tqdm=True, dataloader_pin_memory=not cpu, remove_unused_columns=False,
    )  # fmt: skip
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=how.masked)
    trainer = transformers.Trainer(
        model, arguments, data_collator=collator, train_dataset=training, eval_dataset=held_out,
        callbacks=[_reporting(reporter, steps, how.epochs)],
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _reporting(reporter: Reporter, steps: int, epochs: int) -> Any:
    """A callback that tells the reporter of each step."""

    class Reporting(transformers.TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *arguments: Any, **others: Any) -> None:
            reporter.start(steps, epochs)

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **others: Any) -> None:
            if "loss" in logs:
                reporter.step(state.global_step, {"loss": logs["loss"]})

    return Reporting()


def _loss(trainer: Any, seed: int) -> float:
    """The loss on the held-out texts, with the same subwords masked at every call."""
    with seeded(seed):
        found: float = trainer.evaluate()["eval_loss"]
    return found
