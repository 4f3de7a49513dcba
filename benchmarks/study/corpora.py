"""Write the data of the phases of PROTOCOL-REAL.md.

To runs/study/data: MasakhaNER 2.0 with fewer dev and test sentences, and WikiAnn's Swahili as it is. To
runs/study/noise: embedded languages with entities of wrong types.

python benchmarks/study/corpora.py      # after it: python ../shared/encoders/me5-small/unpack.py runs/me5-small
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from xltransfer.data.examples import TaggedSentence
from xltransfer.data.schemes import BIO, spans, write
from xltransfer.datasets.synthetic.dataset import Synthetic
from xltransfer.tasks.ner import NER

SIZES = {"train": None, "dev": 200, "test": 500}
"""Sentences kept, the first ones of each file."""
CORPUS = Path("../shared/data/ner/masakhaner2")
WHOLE = Path("../shared/data/ner/wikiann/sw")
WRITTEN = Path("runs/study/data")
NOISY = Path("runs/study/noise")
WRONG = {"base": (0, 10, 33, 100), "near": (0,)}
"""Per cent of the entities of each language that get another type: at random, or, of all, the next one."""


def main() -> None:
    """Write all of it."""
    masakhaner()
    shutil.copytree(WHOLE, WRITTEN / WHOLE.name, dirs_exist_ok=True)
    for language, shares in WRONG.items():
        for share in shares:
            noisy(language, share)


def noisy(language: str, share: int) -> None:
    """Write the training sentences of an embedded language with a share of its entities of a wrong type."""
    sentences = [one for one in Synthetic().load(NER(), language, "train") if isinstance(one, TaggedSentence)]
    rng = random.Random(f"{language}/{share}")
    kinds = sorted({kind for one in sentences for *_, kind in spans(one.tags, BIO)})
    folder = NOISY / f"{language}{share}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.txt").open("w", encoding="utf-8") as file:
        for one in sentences:
            entities = [(start, end, _wrong(kind, kinds, share, rng)) for start, end, kind in spans(one.tags, BIO)]
            tags = write(len(one.words), entities, BIO)
            file.write("".join(f"{word}\t{tag}\n" for word, tag in zip(one.words, tags, strict=True)) + "\n")


def _wrong(kind: str, kinds: Sequence[str], share: int, rng: random.Random) -> str:
    if share == 100:
        return kinds[(kinds.index(kind) + 1) % len(kinds)]
    return rng.choice([other for other in kinds if other != kind]) if 100 * rng.random() < share else kind


def masakhaner() -> None:
    """Write every language of the corpus."""
    for language in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        (WRITTEN / language.name).mkdir(parents=True, exist_ok=True)
        for split, size in SIZES.items():
            sentences = (language / f"{split}.txt").read_text(encoding="utf-8").strip().split("\n\n")[:size]
            (WRITTEN / language.name / f"{split}.txt").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
