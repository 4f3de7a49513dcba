"""Encoders from folders: what is read, and how damage is reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tests.conftest import shared
from xltransfer.encoders.loading import load_learner, open_encoder
from xltransfer.encoders.pretraining import Recipe, pretrain, save
from xltransfer.encoders.tiny import Tiny
from xltransfer.errors import EncoderError
from xltransfer.testing.models import small_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Tiny.folder, tmp_path / "encoder"))


def test_head_is_set_by_the_seed_alone() -> None:
    files = open_encoder("tiny")
    heads = [
        load_learner(files, "AutoModelForTokenClassification", ["O", "B-X"], (2,), None, seed).model.classifier.weight
        for seed in (1, 1, 2)
    ]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_pretrained_weights_are_the_ones_in_the_file() -> None:
    learner = load_learner(open_encoder("tiny"), "AutoModelForTokenClassification", ["O", "B-X"], (2,), None, 0)
    plain = transformers.AutoModel.from_pretrained(Tiny.folder, dtype=torch.float32)
    assert torch.equal(learner.model.roberta.embeddings.word_embeddings.weight, plain.embeddings.word_embeddings.weight)


@pytest.mark.parametrize("size", [0, 7, 1000, 2_000_000])
def test_truncated_weights_are_refused(folder: Path, size: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(EncoderError, match="damaged or cut short"):
        open_encoder(str(folder))


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match=r"pickled \.bin files are not read"):
        open_encoder(str(folder))


def test_broken_config_and_unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(EncoderError, match="'gpt2' is not in the layout table"):
        open_encoder(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="cannot be read"):
        open_encoder(str(folder))


def test_bounds_of_layer_and_length() -> None:
    files = open_encoder("tiny")
    files.check((0, 4), 128)
    with pytest.raises(EncoderError, match="layer: received 5; allowed: 0 to 4"):
        files.check((5,), 128)
    with pytest.raises(EncoderError, match="max_length: received 129; allowed: 3 to 128"):
        files.check((2,), 129)


def test_hub_layout_in_the_local_cache_is_found(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot laid out as the hub client does it, without a network."""
    import huggingface_hub

    cache = tmp_path / "hub"
    repo = cache / "models--someone--encoder"
    shutil.copytree(folder, repo / "snapshots" / "abc")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    original = huggingface_hub.snapshot_download
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: original(*a, cache_dir=cache, **k))
    assert open_encoder("someone/encoder").config.num_hidden_layers == 4


def test_unreachable_hub_says_what_to_do_offline() -> None:
    with pytest.raises(EncoderError, match=r"hf download someone/nothing --local-dir DIR.*--encoder DIR"):
        open_encoder("someone/nothing")
    with pytest.raises(EncoderError, match="Did you mean 'tiny'"):
        open_encoder("tinny")


def test_byte_level_tokenizer_aligns_words(tmp_path: Path) -> None:
    """RoBERTa's tokenizer glues words together unless told that words come in."""
    from xltransfer.data.examples import TaggedSentence
    from xltransfer.tasks.pos import POS

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["ab cd"], trainer)
    transformers.RobertaTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path)
    model = small_model("roberta")
    model.resize_token_embeddings(300)
    model.save_pretrained(tmp_path)
    files = open_encoder(str(tmp_path))
    sentence = TaggedSentence("1", ("ab", "cd", "x"), ("A", "B", "A"))
    (encoded,) = POS().encode([sentence], ["A", "B"], files.tokenizer, 16)
    assert -1 not in encoded.words
    assert len(set(encoded.words)) == 3


@pytest.mark.slow
def test_the_pretraining_script_learns_and_its_folder_loads(tmp_path: Path) -> None:
    recipe = Recipe(layers=1, hidden=32, heads=2, vocabulary=400, positions=64, lines=400, steps=60, batch=32, lr=1e-2)
    model, tokenizer, losses = pretrain(recipe)
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    save(model, tokenizer, tmp_path)
    files = open_encoder(str(tmp_path))
    assert files.config.num_hidden_layers == 1
    assert "[UNK]" not in files.tokenizer.convert_ids_to_tokens(files.tokenizer("Ша баз.")["input_ids"])
    load_learner(files, "AutoModelForSequenceClassification", ["a", "b"], (1,), None, 0)


def test_xlmr_mini_is_read_as_it_lies() -> None:
    files = open_encoder(str(shared("encoders/xlmr-mini")))
    assert (files.config.num_hidden_layers, files.padding["input_ids"]) == (6, 1)
    files.check((6,), 256)
