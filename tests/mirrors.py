"""Tiny local mirrors of the named corpora, laid out as their repositories are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets

NER = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-DATE", "I-DATE"]
UPOS = ["NOUN", "PUNCT", "_"]
HUB_SPLITS = ("train", "validation", "test")
Row = dict[str, Any]


def write_parquet(file: Path, rows: list[Row], features: datasets.Features | None = None) -> None:
    """With the features in the file's metadata, as the hub's files have them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(file)


def tagged(split: str, copies: int, tags: list[str], column: str) -> tuple[list[Row], datasets.Features]:
    """Sentences of three words; the first names the split, tags run through all names."""
    rows = [
        {"tokens": [split, "b", str(n)], column: [0, 1 + n % (len(tags) - 1), 0], "id": str(n)} for n in range(copies)
    ]
    features = {
        "tokens": datasets.Sequence(datasets.Value("string")),
        column: datasets.Sequence(datasets.ClassLabel(names=tags)),
        "id": datasets.Value("string"),
    }
    return rows, datasets.Features(features)


def wikiann(root: Path, languages: tuple[str, ...] = ("en", "qu"), copies: int = 7) -> Path:
    """`unimelb-nlp/wikiann`: parquet on main, its files named by the README."""
    configs = ""
    for language in languages:
        configs += f"- config_name: {language}\n  data_files:\n"
        for split in HUB_SPLITS:
            rows, features = tagged(split, copies, NER[:7], "ner_tags")
            write_parquet(root / language / f"{split}-00000-of-00001.parquet", rows, features)
            configs += f"  - split: {split}\n    path: {language}/{split}-*\n"
    (root / "README.md").write_text(f"---\nlicense: unknown\nconfigs:\n{configs}---\n# WikiAnn\n")
    return root


def converted(root: Path, languages: tuple[str, ...], rows: list[Row], features: datasets.Features) -> Path:
    """A repository's `refs/convert/parquet`: a folder a language, a folder a split, no README."""
    for language in languages:
        for split in HUB_SPLITS:
            write_parquet(root / language / split / "0000.parquet", rows, features)
    return root


def masakhaner(root: Path) -> Path:
    """Either version: tags with dates."""
    return converted(root, ("ibo", "swa"), *tagged("x", 8, NER, "ner_tags"))


def universal_dependencies(root: Path) -> Path:
    """A configuration a treebank; a multi-word token has no part of speech."""
    rows, features = tagged("x", 3, UPOS, "upos")
    for treebank in ("mt_mudt", "en_ewt", "en_gum"):
        for split in ("train", "dev", "test"):
            write_parquet(root / treebank / f"{split}.parquet", rows, features)
    return root


def labelled(column: str, label: str, texts: list[tuple[str, int]], names: list[str]) -> tuple[list[Row], Any]:
    """Texts with class ids."""
    rows = [{column: text, label: value} for text, value in texts]
    return rows, datasets.Features({column: datasets.Value("string"), label: datasets.ClassLabel(names=names)})


def sentiment(root: Path, column: str, languages: tuple[str, ...]) -> Path:
    """AfriSenti or NusaX: three classes."""
    texts = [("bad", 0), ("so so", 1), ("good", 2)]
    return converted(root, languages, *labelled(column, "label", texts, ["negative", "neutral", "positive"]))


def sib200(root: Path) -> Path:
    """Topics as text."""
    rows = [{"index_id": 1, "category": "travel", "text": "a b"}, {"index_id": 2, "category": "health", "text": "c"}]
    for language in ("swh_Latn", "arb_Arab"):
        for split in HUB_SPLITS:
            write_parquet(root / language / split / "0000.parquet", rows)
    return root


def english(root: Path, folder: str, column: str, names: list[str], splits: dict[str, list[tuple[str, int]]]) -> Path:
    """SST-2 or IMDb: one folder of parquet files."""
    for split, texts in splits.items():
        write_parquet(root / folder / f"{split}-00000-of-00001.parquet", *labelled(column, "label", texts, names))
    return root


def review(stars: int, language: str = "en") -> Row:
    """A row of MARC as published, stars as text."""
    return {"review_id": f"{language}_{stars}", "product_id": "p", "reviewer_id": "r", "stars": str(stars),
            "review_body": f"{stars} of  five", "review_title": "t", "language": language,
            "product_category": "book"}  # fmt: skip


def marc_json(root: Path) -> Path:
    """MARC's published JSON lines, whatever their suffix says."""
    for split in ("train", "dev", "test"):
        for language in ("en", "de"):
            file = root / "json" / split / f"dataset_{language}_{split}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(json.dumps(review(stars, language)) + "\n" for stars in range(1, 6)))
    return root
