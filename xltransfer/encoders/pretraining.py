"""Pretrain `--encoder tiny` by masked language modelling (Devlin et al. 2019) on the synthetic languages.

`python -m xltransfer.encoders.pretraining --output DIR` writes a folder in Hugging Face layout. Languages `far` and
`remote` are left out on purpose: to the encoder they are unseen. `--language base` pretrains on the source alone.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    get_linear_schedule_with_warmup,
)

from xltransfer.datasets.synthetic.dataset import plain_text
from xltransfer.datasets.synthetic.language import alphabet
from xltransfer.encoders.tiny import Tiny

LANGUAGES = {"base": 1.0, "near": 0.5, "d30": 0.3, "mid": 0.3}
"""Languages of the pretraining text and their share of the source's lines."""
SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


@dataclass(frozen=True)
class Recipe:
    """Sizes of the encoder, the text and the training."""

    layers: int = 4
    hidden: int = 128
    heads: int = 4
    vocabulary: int = 3000
    positions: int = 128
    lines: int = 30000
    steps: int = 4000
    batch: int = 64
    lr: float = 1.5e-3
    seed: int = 0
    languages: Mapping[str, float] = field(default_factory=lambda: LANGUAGES)


def corpus(recipe: Recipe) -> list[str]:
    """Generate the shuffled pretraining lines of all languages."""
    lines = [
        line
        for language, share in recipe.languages.items()
        for line in plain_text(language, round(share * recipe.lines), f"pretraining/{recipe.seed}")
    ]
    random.Random(recipe.seed).shuffle(lines)
    return lines


def train_tokenizer(lines: list[str], recipe: Recipe) -> PreTrainedTokenizerFast:
    """Train a unigram tokenizer like XLM-R's, with every letter of both scripts."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        lines,
        trainers.UnigramTrainer(vocab_size=recipe.vocabulary, special_tokens=special, unk_token="<unk>",
                                initial_alphabet=alphabet(), show_progress=False),
    )  # fmt: skip
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=recipe.positions, cls_token="<s>", sep_token="</s>", **SPECIAL
    )


def pretrain(recipe: Recipe, report: bool = False) -> tuple[Any, PreTrainedTokenizerFast, list[float]]:
    """Pretrain; returns the model, its tokenizer, and the loss of every step."""
    lines = corpus(recipe)
    tokenizer = train_tokenizer(lines, recipe)
    torch.manual_seed(recipe.seed)
    model = XLMRobertaForMaskedLM(_model_config(recipe, len(tokenizer)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, recipe.steps // 10, recipe.steps)
    losses = []
    for step, batch in enumerate(_batches(lines, tokenizer, recipe), 1):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and step % 100 == 0:
            print(f"step {step}/{recipe.steps}  masked-LM loss {sum(losses[-100:]) / 100:.3f}", flush=True)
    return model.eval(), tokenizer, losses


def save(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write encoder and tokenizer; weights as float16 safetensors, configured to load as float32."""
    encoder = model.roberta.half()
    encoder.save_pretrained(folder)
    config = encoder.config
    config.dtype = torch.float32
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _model_config(recipe: Recipe, vocabulary: int) -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=vocabulary, hidden_size=recipe.hidden, num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads, intermediate_size=4 * recipe.hidden,
        max_position_embeddings=recipe.positions + 2, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, initializer_range=0.05,
    )  # fmt: skip


def _batches(lines: list[str], tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[Any]:
    """Masked batches of whole lines, of like length so that little is padding."""
    encoded = tokenizer(lines, truncation=True, max_length=recipe.positions)["input_ids"]
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    rng = random.Random(recipe.seed)
    queue: list[list[int]] = []
    for _ in range(recipe.steps):
        if not queue:
            order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]) // 4, rng.random()))
            queue = [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
            rng.shuffle(queue)
        yield collate([{"input_ids": encoded[index]} for index in queue.pop()])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Tiny.folder)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--language", action="append", help="alone, or in equal parts with others [those of tiny]")
    arguments = parser.parse_args()
    languages = dict.fromkeys(arguments.language, 1.0) if arguments.language else LANGUAGES
    model, tokenizer, losses = pretrain(Recipe(steps=arguments.steps, languages=languages), report=True)
    save(model, tokenizer, arguments.output)
    print(f"final masked-LM loss {sum(losses[-100:]) / len(losses[-100:]):.3f}; written to {arguments.output}")


if __name__ == "__main__":
    main()
