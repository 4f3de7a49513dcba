"""Write the data of the real-* phases to runs/study/data: MasakhaNER 2.0 with fewer dev and test sentences.

python benchmarks/study/corpora.py      # after it: python ../shared/encoders/me5-small/unpack.py runs/me5-small
"""

from __future__ import annotations

from pathlib import Path

SIZES = {"train": None, "dev": 200, "test": 500}
"""Sentences kept, the first ones of each file."""
CORPUS = Path("../shared/data/ner/masakhaner2")
WRITTEN = Path("runs/study/data")


def main() -> None:
    """Write every language of the corpus."""
    for language in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        (WRITTEN / language.name).mkdir(parents=True, exist_ok=True)
        for split, size in SIZES.items():
            sentences = (language / f"{split}.txt").read_text(encoding="utf-8").strip().split("\n\n")[:size]
            (WRITTEN / language.name / f"{split}.txt").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
