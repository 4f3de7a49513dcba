"""Rebuild a published sentiment split from the authors' files as train, dev and test files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xltransfer.data.examples import Example, LabelledText
from xltransfer.data.readers.labelled import read_labelled
from xltransfer.datasets.base import SPLITS
from xltransfer.datasets.published.report import SplitReport, report_splits
from xltransfer.datasets.published.splits import RebuiltSplit, read_index, rebuild
from xltransfer.errors import DataError, unknown
from xltransfer.tasks.sentiment import Sentiment
from xltransfer.utils.files import atomic_folder

CORPORA = {"sentipers": "fa", "sentiraama": "tir"}
"""Corpora of the published index and the language code it uses for each."""


def prepare_split(corpus: str, sources: Sequence[Path], index: Path, output: Path) -> SplitReport:
    """Write `train.tsv`, `dev.tsv` and `test.tsv` (text, label) into the new folder `output`.

    `sources` are the authors' files or folders that hold them. Nothing is written on failure. Raises DataError.
    """
    if corpus not in CORPORA:
        raise DataError(unknown("corpus", corpus, CORPORA))
    if output.exists():
        raise DataError(f"output: {str(output)!r} exists; name another folder, or move that one away.")
    parts = _rebuild_all(corpus, sources, index)
    _write(output, {part.section.split: part.examples for part in parts})
    return report_splits(corpus, parts)


def _rebuild_all(corpus: str, sources: Sequence[Path], index: Path) -> list[RebuiltSplit]:
    sections = {section.split: section for section in read_index(index) if section.language == CORPORA[corpus]}
    if missing := [split for split in SPLITS if split not in sections]:
        raise DataError(f"{index}: no section '# {CORPORA[corpus]} {missing[0]} index', which {corpus} needs.")
    named = {name for section in sections.values() for name in section.files}
    examples: list[Example] = []
    for file in _source_files(corpus, sources, named):
        examples += read_labelled(file)
    return [rebuild(index, sections[split], examples, Sentiment().prepare) for split in SPLITS]


def _source_files(corpus: str, sources: Sequence[Path], named: set[str]) -> list[Path]:
    """Return the files named in the index, or the single spreadsheet if it names none. Raises DataError."""
    given = [file for path in sources for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in given if (file.name in named if named else file.suffix.lower() == ".xlsx")]
    wanted = ", ".join(sorted(named)) or "one .xlsx file"
    if sorted(file.name for file in files) != sorted(named) if named else len(files) != 1:
        received = ", ".join(file.name for file in files or given) or "none"
        raise DataError(f"source: {corpus} needs {wanted}; received {received}. Give the files, or their folder.")
    return files


def _write(output: Path, splits: Mapping[str, Sequence[LabelledText]]) -> None:
    try:
        with atomic_folder(output) as partial:
            for split, examples in splits.items():
                rows = [("text", "label"), *((example.text, example.label) for example in examples)]
                (partial / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    except OSError as error:
        raise DataError(f"output: folder {str(output)!r} cannot be written: {error.strerror}.") from error
