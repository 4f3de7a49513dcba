"""Whatever a file holds, a reader gives well-formed examples or one error that names the file, and the line if any.

A few hundred cases, always the same ones. More, and new ones each time:

    XLT_FUZZ_CASES=10000 pytest tests/unit/test_reader_fuzz.py
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xltransfer.data.examples import Example, LabelledText, TaggedSentence
from xltransfer.data.readers.labelled import read_labelled
from xltransfer.data.readers.words.tagged import read_tagged
from xltransfer.datasets.published.splits import read_index
from xltransfer.errors import DataError
from xltransfer.tasks.base import Task
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS
from xltransfer.tasks.sentiment import Sentiment

CASES = int(os.environ.get("XLT_FUZZ_CASES", "600"))
GROUPS = 6
fuzz = settings(
    max_examples=-(-CASES // GROUPS), deadline=None, database=None, derandomize="XLT_FUZZ_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

TAGGED = {
    "xtreme": "en:A\tB-PER\nen:en:x\tI-PER\n\nen:b\tO\n",
    "space": "A B-LOC\nb O\n\n\nC O\n",
    "numbered": "0\tA\tB-PER\n1\tb\tO\n\n0\tC\tO\n",
    "conll": "-DOCSTART- -X- O O\n\nA NNP I-NP B-PER\nb VB I-VP O\n",
    "conllu": "# sent_id = 1\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\ta\tDET\t_\t_\t0\t_\t_\t_\n"
              "2\tb c\tb\tNOUN\t_\t_\t0\t_\t_\t_\n2.1\tc\tc\tVERB\t_\t_\t_\t_\t_\t_\n\n",
}  # fmt: skip
LABELLED = {
    "a.tsv": 'id\tstars\ttext\n1\t5\tso "good\n2\t1\tbad\n',
    "a.csv": 'text,label\n"good, ""fine""",pos\n"two\nlines",neg\n',
    "a.jsonl": '{"text": "good", "polarity": "+1"}\n{"text": "b\\u00e4d", "polarity": -1.0}\n',
    "a.json": '[{"review": "good", "label": 1},\n {"review": "bad", "label": 0}]',
    "product_neg.txt": "____\nbad one\n____\n\nworse\n",
}
INDEX = "# tir train index and file\n[0, None, 2]\n['p_pos.txt', None, 'p_pos.txt']\n\n# fa dev index\n[1, 0]\n"

PIECES = ["\t", " ", "\n", "\r\n", "\r", "\0", "\ufeff", "\u200b", "\u00a0", "\u2028", "\x0b", "\x1c", "\ud800", "#",
          "-", '"', "'", ",", ";", "[", "]", "{", "}", ":", "None", "1e999", "NaN", "true",
          "\\", "\\ud800", "\\u0000", "²",
          "1-2", "3.1", "en:", "B-", "I-PER", "_", "-DOCSTART-", "text", "label", "9" * 5000]  # fmt: skip
encoded_pieces = st.sampled_from([piece.encode("utf-8", "surrogatepass") for piece in PIECES])
inserted = st.one_of(encoded_pieces, st.binary(max_size=4), st.text(max_size=4).map(str.encode))
edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), inserted), max_size=5)


def mutated(content: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Each change puts something at a place, instead of some bytes there."""
    for place, removed, new in changes:
        place %= len(content) + 1
        content = content[:place] + new + content[place + removed :]
    return content


def holds(read: Callable[[Path], Sequence[Example]], content: bytes, name: str, task: Task | None = None) -> None:
    """The invariant. `task` None asks for no labels of a kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            examples = read(path)
            well_formed(examples, name)
            if task is not None:
                assert task.gold(task.prepare(examples)) is not None
        except DataError as error:
            names_the_place(error, name)


def names_the_place(error: DataError, file: str) -> None:
    message = str(error)
    assert re.search(rf"{re.escape(file)}(:(\d+|item \d+))?: ", message), message
    assert "\n" not in message
    assert len(message) < 1500


def well_formed(examples: Sequence[Example], name: str) -> None:
    assert examples
    assert len({example.id for example in examples}) == len(examples)
    for example in examples:
        assert re.fullmatch(rf"{re.escape(name)}:(item )?[1-9]\d*", example.id)
        strings = (
            (*example.words, *example.tags) if isinstance(example, TaggedSentence) else (example.text, example.label)
        )
        if isinstance(example, TaggedSentence):
            assert len(example.words) == len(example.tags) > 0
        for string in strings:
            assert string
            assert not set("\n\r\0") & set(string)
            string.encode()
        if isinstance(example, LabelledText):
            assert example.text.strip()
            assert example.scale in ("name", "binary", "polarity", "stars")


@pytest.mark.slow
@fuzz
@given(st.sampled_from(sorted(TAGGED)), edits, st.sampled_from([NER(), POS()]))
def test_mutated_tagged_files(kind: str, changes: list[tuple[int, int, bytes]], task: Task) -> None:
    holds(lambda path: read_tagged(path, task.check_label), mutated(TAGGED[kind].encode(), changes), "train.txt", task)


@fuzz
@given(st.sampled_from(sorted(LABELLED)), edits, st.sampled_from(["binary", "all"]))
def test_mutated_labelled_files(name: str, changes: list[tuple[int, int, bytes]], labels: str) -> None:
    holds(read_labelled, mutated(LABELLED[name].encode(), changes), name, Sentiment(labels=labels))  # type: ignore[arg-type]


@fuzz
@given(
    st.lists(inserted, max_size=40).map(b"".join), st.sampled_from(["train", "a.csv", "a.json", "a.xlsx", "a_pos.txt"])
)
def test_bytes_of_no_format(content: bytes, name: str) -> None:
    holds(read_tagged, content, name)
    holds(read_labelled, content, name, Sentiment())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "label", "stars"]), inner),
    max_leaves=10,
)


@fuzz
@given(json_values, st.booleans())
def test_any_json(value: object, array: bool) -> None:
    content = json.dumps([value] if array else value).encode()
    holds(read_labelled, content, "a.json", Sentiment())


@cache
def spreadsheet() -> dict[str, bytes]:
    """The parts of a small workbook, unpacked."""
    import openpyxl

    book, packed = openpyxl.Workbook(), io.BytesIO()
    for row in [("text", "polarity"), ("good", "+1"), ("bad", -1), ("so so", None)]:
        book.active.append(row)
    book.save(packed)
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@fuzz
@given(st.data(), edits, edits)
def test_mutated_spreadsheets(data: st.DataObject, in_a_part: list[tuple[int, int, bytes]],
                              in_the_archive: list[tuple[int, int, bytes]]) -> None:  # fmt: skip
    parts = dict(spreadsheet())
    chosen = data.draw(st.sampled_from(sorted(parts)))
    parts[chosen] = mutated(parts[chosen], in_a_part)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    damaged = mutated(packed.getvalue(), in_the_archive[:1]) if data.draw(st.booleans()) else packed.getvalue()
    holds(read_labelled, damaged, "a.xlsx", Sentiment())


@fuzz
@given(edits)
def test_mutated_index(changes: list[tuple[int, int, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data_index.txt")
        path.write_bytes(mutated(INDEX.encode(), changes))
        try:
            sections = read_index(path)
        except DataError as error:
            names_the_place(error, "data_index.txt")
            return
    for section in sections:
        for entry in section.entries:
            assert entry is None or (type(entry[1]) is int and isinstance(entry[0], str | None))


@pytest.mark.parametrize("name", LABELLED)
def test_files_to_be_mutated_are_valid(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(LABELLED[name])
    assert len(read_labelled(tmp_path / name)) == 2
