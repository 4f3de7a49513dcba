"""Encoders that cannot work are refused in one line before training; other tasks' heads are left behind, and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from tests.refusals import SHORT
from tests.tiers import first_quick
from xltransfer.cli.main import status_of
from xltransfer.data.batching import Encoded
from xltransfer.data.unknown_words import unknown_share
from xltransfer.encoders.layouts import LAYOUTS
from xltransfer.encoders.learner import Learner
from xltransfer.encoders.loading import EncoderFiles, load_learner, load_trained, open_encoder
from xltransfer.encoders.tiny import Tiny
from xltransfer.errors import EncoderError
from xltransfer.testing.models import small_model

TAGGER, CLASSIFIER = "AutoModelForTokenClassification", "AutoModelForSequenceClassification"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Tiny.folder, tmp_path / "encoder"))


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def load(folder: Path, notes: list[str] | None = None) -> Learner:
    def note(message: str) -> None:
        (notes if notes is not None else []).append(message)

    return load_learner(open_encoder(str(folder)), TAGGER, ["O", "B-X", "I-X"], (2,), None, 1, note)


def test_no_tokenizer(folder: Path) -> None:
    for file in (*folder.glob("tokenizer*"), *folder.glob("special*"), *folder.glob("vocab*")):
        file.unlink()
    with pytest.raises(EncoderError, match=r"holds no tokenizer; allowed: tokenizer\.json, vocab\.txt or a \.model"):
        open_encoder(str(folder))


def test_a_tokenizer_without_words(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    special = [token["id"] for token in content["added_tokens"]]
    content["model"]["vocab"] = content["model"]["vocab"][: max(special) + 1]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=r"knows \d special tokens and no words"):
        open_encoder(str(folder))


def test_a_tokenizer_larger_than_the_embeddings(folder: Path) -> None:
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    changed(folder / "config.json", vocab_size=rows - 7)
    with pytest.raises(
        EncoderError, match=rf"has ids up to {rows - 1} \('.+'\), and the embedding matrix {rows - 7} rows"
    ):
        open_encoder(str(folder))


def test_no_special_tokens_around_a_text(folder: Path) -> None:
    changed(folder / "tokenizer.json", post_processor=None)
    changed(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    with pytest.raises(EncoderError, match=r"puts no special tokens around a text, .*its post_processor is missing"):
        open_encoder(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.output.dense.bias"))
    weights[name][3] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 of \d+ values of .*layer\.1\.output\.dense\.bias are NaN or infinite"):
        load(folder)


def test_weights_that_are_not_complete(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.output" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"weights lack \d of those it needs, .*layer\.1\.output"):
        load(folder)


def test_weights_of_another_size(folder: Path) -> None:
    size = json.loads((folder / "config.json").read_text())["intermediate_size"]
    changed(folder / "config.json", intermediate_size=size + 2)
    with pytest.raises(EncoderError, match=r"has another size in the weights than in config\.json") as caught:
        load(folder)
    assert "ignore_mismatched_sizes" not in str(caught.value)


@pytest.mark.parametrize("auto_class, labels", [(TAGGER, 3), (TAGGER, 9), (CLASSIFIER, 3)])
def test_a_checkpoint_of_another_task_gives_its_encoder(folder: Path, auto_class: str, labels: int) -> None:
    plain, notes = load(folder), list[str]()
    other = getattr(transformers, auto_class).from_pretrained(folder, num_labels=labels, dtype=torch.float32)
    for parameter in other.classifier.parameters():
        torch.nn.init.constant_(parameter, 9.0)
    other.save_pretrained(folder)
    found = load(folder, notes)
    assert notes == [f"encoder {str(folder)!r}: its own head (classifier) is not used; the head of this run is new."]
    for name, value in plain.model.base_model.state_dict().items():
        assert torch.equal(found.model.base_model.state_dict()[name], value), name
    for name, value in plain.model.classifier.state_dict().items():  # that of the seed
        assert torch.equal(found.model.classifier.state_dict()[name], value), name
    load(Tiny.folder, notes)
    assert len(notes) == 1


KINDS = ["xlm-roberta", *sorted({*LAYOUTS} - {"xlm-roberta"})]


@pytest.mark.parametrize("kind", first_quick(KINDS))
@pytest.mark.parametrize("tuned_as", [TAGGER, CLASSIFIER])
@pytest.mark.parametrize("used_as", [TAGGER, CLASSIFIER])
def test_a_fine_tuned_checkpoint_starts_as_its_encoder_alone(
    kind: str, tuned_as: str, used_as: str, tmp_path: Path
) -> None:
    tuned = small_model(kind, tuned_as)
    tuned.save_pretrained(tmp_path / "tuned")
    tuned.base_model.save_pretrained(tmp_path / "alone")
    states = [load_learner(without_tokenizer(tmp_path / name), used_as, ["a", "b"], (1,), None, 3).model.state_dict()
              for name in ("tuned", "alone")]  # fmt: skip
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def without_tokenizer(folder: Path) -> EncoderFiles:
    return EncoderFiles(folder.name, folder, transformers.AutoConfig.from_pretrained(folder), None, 1e-3)


def test_what_a_pretrained_encoder_has_above_its_layers_is_kept(tmp_path: Path) -> None:
    """ModernBERT's masked language model shares a layer with its taggers, which is no head of a task."""
    pretrained = small_model("modernbert", "AutoModelForMaskedLM")
    pretrained.save_pretrained(tmp_path)
    notes = list[str]()
    found = load_learner(without_tokenizer(tmp_path), TAGGER, ["a", "b"], (1,), None, 3, notes.append).model
    assert torch.equal(found.head.dense.weight, pretrained.head.dense.weight)
    assert notes == []


def test_a_trained_model_keeps_its_head(folder: Path) -> None:
    model = load(folder).model
    torch.nn.init.constant_(model.classifier.weight, 0.5)
    model.save_pretrained(folder)
    assert (load_trained(folder, TAGGER).model.classifier.weight == 0.5).all()


def test_a_trained_model_without_its_head_is_refused(folder: Path) -> None:
    with pytest.raises(EncoderError, match=r"weights lack 2 of those it needs, classifier\.bias"):
        load_trained(folder, TAGGER)


@pytest.mark.parametrize("trained", [False, True])
def test_a_shard_that_is_not_finite(folder: Path, trained: bool) -> None:
    model = load(folder).model
    with torch.no_grad():
        model.base_model.encoder.layer[3].output.dense.weight[0] = torch.nan
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="200KB")
    assert len([*folder.glob("*.safetensors")]) > 2
    with pytest.raises(EncoderError, match=r"512 of 65,536 values of .*layer\.3\.output\.dense\.weight are NaN"):
        load_trained(folder, TAGGER) if trained else load(folder)


@pytest.mark.parametrize(
    "missing, message",
    [
        (["cls_token", "bos_token"], "has neither cls_token nor bos_token, one of which the encoder was trained with"),
        (["sep_token", "eos_token"], "has neither sep_token nor eos_token"),
        (["pad_token"], "its tokenizer has no padding token"),
    ],
)
def test_special_tokens_that_are_not_named(folder: Path, missing: list[str], message: str) -> None:
    file = folder / "tokenizer_config.json"
    kept = {name: value for name, value in json.loads(file.read_text()).items() if name not in missing}
    file.write_text(json.dumps(kept))
    with pytest.raises(EncoderError, match=message):
        open_encoder(str(folder))


def test_a_special_token_on_one_side_only(folder: Path) -> None:
    processor = json.loads((folder / "tokenizer.json").read_text())["post_processor"]
    changed(folder / "tokenizer.json", post_processor={**processor, "single": processor["single"][:-1]})
    with pytest.raises(EncoderError, match=r"puts no special tokens around a text.*'a' is read as \['<s>', '▁', 'a'\]"):
        open_encoder(str(folder))


def test_words_that_the_tokenizer_does_not_know_are_counted() -> None:
    known = Encoded({"input_ids": [0, 5, 6, 7, 2]}, [-100, 1, -100, 1, -100], (1, 3))
    half = Encoded({"input_ids": [0, 5, 3, 7, 2]}, [-100, 1, -100, 1, -100], (1, 3, -1))
    tokenizer = open_encoder("tiny").tokenizer  # <unk> is 3, the mark of a new word 5
    assert unknown_share([known, half], tokenizer) == 1 / 4
    assert unknown_share([Encoded({"input_ids": [0, 9, 3, 7, 3, 2]}, 1)], tokenizer) == 2 / 4
    assert unknown_share([Encoded({"input_ids": [0, 5, 3, 5, 3, 2]}, 1)], tokenizer) == 1
    pieces = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    without_marks = transformers.PreTrainedTokenizerFast(tokenizer_object=pieces, unk_token="[UNK]")
    assert unknown_share([Encoded({"input_ids": [8, 0, 0, 0, 1, 9]}, 1)], without_marks) == 3 / 4
    tokenizer.unk_token = tokenizer.eos_token  # as GPT-2's
    assert unknown_share([known, Encoded({"input_ids": [0, 2, 2, 2, 2, 2]}, 1)], tokenizer) == 0
    tokenizer.unk_token = None
    assert unknown_share([known, half], tokenizer) == 0


def corpus(script: str, *languages: str) -> None:
    for language in languages:
        Path("data", language).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            lines = "".join(f"{word} O\n{script * 3} B-PER\n\n" for word in ("fi", "tafa", "gor", split))
            Path("data", language, f"{split}.txt").write_text(lines)


def test_unknown_words_are_warned_of_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus("\u4e00", "aa", "bb")
    run = [*SHORT, "--data", "data", "--source", "aa", "--target", "bb"]
    said = "aa: the tokenizer of encoder 'tiny' does not know 50 % of the training words"
    assert status_of([*run, "--unknown-words", "0.4", "--output", "out"]) == 2
    assert f"{said}; allowed: up to 40 %. Take an encoder for this script, or allow" in capsys.readouterr().err
    assert not Path("out").exists()
    assert status_of([*run, "--output", "out"]) == 0
    assert f"warning: {said}; an encoder that knows this script" in capsys.readouterr().err


def test_unknown_words_are_counted_in_each_language_that_is_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus("\u4e00", "aa")
    corpus("a", "bb", "cc", "dd")
    run = [*SHORT, "--data", "data", "--unknown-words", "0.4"]
    among = ["--source", "bb", "--source", "aa", "--source", "cc", "--target", "dd", "--output", "out"]
    assert status_of([*run, *among]) == 2  # of all three together it is less
    assert "aa: the tokenizer of encoder 'tiny' does not know 50 %" in capsys.readouterr().err
    assert status_of([*run, "--source", "aa", "--target", "dd", "--method", "target-only", "--output", "out"]) == 0
    assert "does not know" not in capsys.readouterr().err
