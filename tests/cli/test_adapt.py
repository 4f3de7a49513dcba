"""An encoder is trained further on raw text, and taken by runs like any other."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from tests.refusals import refused
from xltransfer.cli.main import status_of
from xltransfer.encoders.loading import load_learner, open_encoder
from xltransfer.encoders.tiny import Tiny
from xltransfer.errors import EncoderError
from xltransfer.training.adaptation import Adaptation, adapt
from xltransfer.training.progress import Reporter

WORDS = ["fi", "tafa", "gor", "bemo", "ral", "su"]


def write_encoder(folder: Path) -> Path:
    """The embedded encoder's tokenizer, below a small model that has the head."""
    config = transformers.AutoConfig.from_pretrained(Tiny.folder)
    config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.num_attention_heads = 32, 32, 2, 2
    torch.manual_seed(0)
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(Tiny.folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that can be trained further."""
    return write_encoder(tmp_path_factory.mktemp("encoder") / "plain")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty lines in which a word foretells the next, and some that are empty or repeated."""
    file = tmp_path_factory.mktemp("raw") / "raw.txt"
    drawn = random.Random(0)
    starts = [drawn.randrange(len(WORDS)) for _ in range(50)]
    lines = [" ".join([*(WORDS[(start + n) % len(WORDS)] for n in range(6)), str(number)])
             for number, start in enumerate(starts)]  # fmt: skip
    file.write_text("\n".join([*lines, "", lines[0]]))
    return file


def command(encoder: Path, raw: Path, *others: str) -> list[str]:
    return ["adapt", str(encoder), "--input", str(raw), "--max-length", "32", "--lr", "1e-2", *others]


def test_it_learns_and_a_run_takes_it(
    encoder: Path, raw: Path, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(command(encoder, raw, "--output", "new", "--epochs", "12", "--json", "--quiet")) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["texts"], told["held_out"], told["steps"], told["cut"], captured.err) == (48, 2, 36, 0, "")
    assert told["loss_after"] < told["loss_before"] - 1
    notes = list[str]()
    learner = load_learner(
        open_encoder("new"), "AutoModelForTokenClassification", ["a", "b"], (1,), None, 3, notes.append
    )
    saved = load_file("new/model.safetensors")
    name = "roberta.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(learner.model.state_dict()[name], saved[name])
    assert not torch.equal(saved[name], load_file(encoder / "model.safetensors")[name])
    assert notes == []
    assert transformers.AutoTokenizer.from_pretrained("new")("fi tafa") == open_encoder("new").tokenizer("fi tafa")


class Stops(Reporter):
    """Raises at the second step."""

    def step(self, step: int, losses: Any) -> None:
        if step == 2:
            raise KeyboardInterrupt


def test_the_same_seed_gives_the_same_encoder_and_an_interruption_none(
    encoder: Path, raw: Path, tmp_path: Path
) -> None:
    how = Adaptation(epochs=1, max_length=32, batch_size=8)
    lines = raw.read_text().splitlines()
    for name in ("a", "b"):
        adapt(str(encoder), lines, tmp_path / name, how, Reporter())
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(KeyboardInterrupt):
        adapt(str(encoder), lines, tmp_path / "c", how, Stops())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(EncoderError, match="its loss is nan in the end; take a lower --lr"):
        adapt(str(encoder), lines, tmp_path / "c", Adaptation(epochs=2, lr=1e25, max_length=32), Reporter())
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "others, message",
    [
        (["--epochs", "0"], "epochs: received 0; allowed: 1 to 10000."),
        (["--precision", "fp8"], "precision: received 'fp8'; allowed: fp32, bf16."),
        (["--input", "none"], "input: 'none' is not a file; give files with one text a line."),
        (["--max-length", "9999"], "max_length: received 9999; allowed: 3 to"),
    ],
)
def test_what_cannot_be(
    others: list[str], message: str, encoder: Path, raw: Path, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, command(encoder, raw, "--output", "new", *others), message)


def test_an_encoder_without_the_head_and_too_few_texts(
    encoder: Path, raw: Path, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, command(Path("tiny"), raw, "--output", "new"), "weights lack the head of masked-language modelling")
    Path("few.txt").write_text("a\nb\nb\n")
    refused(capsys, command(encoder, Path("few.txt"), "--output", "new"), "received 2 different texts; at least 10")
    refused(capsys, command(encoder, raw, "--output", "few.txt"), "output: 'few.txt' exists; name another folder.")
