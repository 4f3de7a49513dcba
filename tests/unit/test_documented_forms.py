"""Each form of data on the page *Train on your own data* is read as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import SITE
from xltransfer.data.examples import TaggedSentence
from xltransfer.datasets.folder import Folder
from xltransfer.registry import TASKS

_FORM = re.compile(r"^<!-- form: (\S+) (\S+)(?: (\S+))? -->\n```text\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
FORMS = _FORM.findall((SITE / "how-to" / "own-data.md").read_text(encoding="utf-8"))
EXPECTED: dict[str, list[Any]] = {
    "ner": [("Ada Obi saw Lagos", "B-PER I-PER O B-LOC"), ("the Bank of Jos", "O B-ORG I-ORG I-ORG")],
    "pos": [("Ada sings .", "PROPN VERB PUNCT")],
    "classification": [
        ("a fine room", "good"), ("nobody came", "bad"), ("clean, and warm", "good"), ("no water", "bad"),
    ],
    "sentiment": [("a fine room", "positive"), ("nobody came", "negative")],
    "pair": [("it rains\tit is wet", "entailment"), ("it rains\tit is dry", "contradiction")],
}  # fmt: skip


@pytest.mark.parametrize("task, name, option, content", FORMS)
def test_forms_on_the_page(task: str, name: str, option: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / name).write_text(content, encoding="utf-8")
    options: dict[str, Any] = dict([option.split("=")]) if option else {}
    found = Folder(tmp_path, 42, **options).load(TASKS.load(task)(), "xx", "train")
    read = [
        (" ".join(one.words), " ".join(one.tags)) if isinstance(one, TaggedSentence) else (one.shown, one.label)
        for one in found
    ]
    assert read == EXPECTED[task]


def test_every_kind_of_form_is_on_the_page() -> None:
    assert {task for task, *_ in FORMS} == set(EXPECTED)
    assert len(FORMS) >= 18
