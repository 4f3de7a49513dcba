"""A tagged corpus in a random form and scheme, with random columns beside: read back equal, or refused; never misread.

Some hundred corpora, always the same ones; 5,000 in the slow tier. More, and new ones each time:

    XLT_FUZZ_CASES=100000 pytest tests/unit/test_corpus_fuzz.py
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.tiers import first_quick
from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.records import holds_records
from xltransfer.data.readers.tagged_records import understand_records
from xltransfer.data.readers.words.tagged import understand_tagged
from xltransfer.data.schemes import BIO, NAMES, Span, named, write
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER

CASES = int(os.environ.get("XLT_FUZZ_CASES", "5000"))
WORDS = (
    "Ada Obi the The Bank of Lagos Jos went goes going house houses , . ( 18 2.5 # na\u00efve \u5317\u4eac "
    "\u0645\u0631\u062d he's e-mail O B-52 \u200b\u0930 I NN"
)
POS = {".": "PUNCT", ",": "PUNCT", "18": "NUM", "the": "DET", "Ada": "PROPN", "went": "VERB"}
LEMMAS = {"went": "go", "goes": "go", "going": "go", "houses": "house", "The": "the"}
Corpus = list[tuple[list[str], list[Span]]]


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Sentences of words with entities, many of which touch. Not every word is O: such a corpus tells nothing."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        words = draw(st.lists(st.sampled_from(WORDS.split()), min_size=2, max_size=9))
        entities, place = [], 0
        one = st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["PER", "LOC", "work-of-art"]))
        for gap, length, kind in draw(st.lists(one, max_size=4)):
            if place + gap + length > len(words):
                break
            entities.append((place + gap, place + gap + length, kind))
            place += gap + length
        found.append((words, entities))
    assume(any(word != "O" for words, _ in found for word in words))
    return found


Noise = Callable[[int, int, str], str]
"""A column's value, from the numbers of sentence and word and the word."""
NOISE: dict[str, Noise] = {
    "index from 1": lambda sentence, place, word: str(place + 1),
    "index from 0": lambda sentence, place, word: str(place),
    "sentence": lambda sentence, place, word: str(sentence),
    "document": lambda sentence, place, word: f"doc{sentence // 3}",
    "lemma": lambda sentence, place, word: LEMMAS.get(word, word),
    "lower": lambda sentence, place, word: word.lower(),
    "pos": lambda sentence, place, word: POS.get(word, "NOUN"),
    "penn": lambda sentence, place, word: "NNP" if word[0].isupper() else "NN",
    "chunk": lambda sentence, place, word: ("B-NP", "I-NP", "O", "B-VP")[(sentence + place) % 4],
    "constant": lambda sentence, place, word: "_",
    "-X-": lambda sentence, place, word: "-X-",
    "score": lambda sentence, place, word: f"0.{(7 * sentence + 3 * place) % 10}",
    "certainty": lambda sentence, place, word: ("1", "0.98", "0", "1e-3")[(5 * sentence + 3 * place) % 4],
    "flag": lambda sentence, place, word: str((sentence + place * place) % 2),
    "name": lambda sentence, place, word: f"a{sentence:x}-4f",
    "in document": lambda sentence, place, word: str(sentence % 3 + 1),
    "article": lambda sentence, place, word: f"p{sentence // 3}.txt",
    "head": lambda sentence, place, word: str((5 * place + sentence) % 7),
    "features": lambda sentence, place, word: "_" if place % 2 else "Case=Nom|Number=Sing",
    "relation": lambda sentence, place, word: ("root", "nsubj", "obj", "punct")[place % 4],
    "inner": lambda sentence, place, word: "O",
    "code": lambda sentence, place, word: f"x{(sentence * 31 + place * 17) % 23}",
}  # fmt: skip


def columns_text(draw: st.DrawFn, corpus: Corpus, tags: list[list[str]]) -> tuple[str, str]:
    """Name and content of a file of columns."""
    noise = draw(st.lists(st.sampled_from(sorted(NOISE)), max_size=4, unique=True))
    order = draw(st.permutations(["word", "tag", *noise]))
    delimiter = draw(st.sampled_from("\t ,;"))
    numbered, header = draw(st.booleans()), draw(st.booleans())
    blank = not (numbered and "sentence" in order and draw(st.booleans()))
    titles = {"sentence": "sentence_id", "index from 1": "id", "index from 0": "id", "lemma": "lemma", "pos": "pos"}
    rows: list[list[str]] = [[titles.get(name, name) for name in order]] if header else []
    for number, ((words, _), own) in enumerate(zip(corpus, tags, strict=True)):
        for place, (word, tag) in enumerate(zip(words, own, strict=True)):
            rows.append([{"word": word, "tag": tag}.get(name) or NOISE[name](number, place, word) for name in order])
        if blank:
            rows.append([])
    if draw(st.booleans()):
        rows.insert(int(header), ["-DOCSTART-", *["-X-"] * (len(order) - 1)])
        rows.insert(int(header) + 1, [])
    written = io.StringIO()
    if delimiter in ",;":
        csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(rows)
    else:
        written.write("".join(delimiter.join(row) + "\n" for row in rows))
    return "train" + draw(st.sampled_from([".txt", ".tsv", ".csv", ".conll"])), written.getvalue()


def records_text(draw: st.DrawFn, corpus: Corpus, tags: list[list[str]]) -> tuple[str, str]:
    """Name and content of a file of records."""
    fields = draw(st.sampled_from([("tokens", "ner_tags"), ("words", "labels"), ("tokens", "tags"), ("text", "ner")]))
    noise: dict[str, Any] = draw(st.sampled_from([{}, {"id": "3"}, {"pos_tags": ["X"], "lang": "xx"}]))
    records = [{**noise, fields[0]: words, fields[1]: own} for (words, _), own in zip(corpus, tags, strict=True)]
    if draw(st.booleans()):
        return "train.json", json.dumps(records, indent=draw(st.sampled_from([None, 1])))
    return "train.jsonl", "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@st.composite
def written(draw: st.DrawFn) -> tuple[Corpus, str, str]:
    """A corpus, and the name and content of a file that holds it."""
    corpus = draw(corpora())
    title = draw(st.sampled_from(NAMES[:-1])) + draw(st.sampled_from(["", "", "", "-suffix", "_"]))
    scheme = named(title)
    assert scheme is not None
    tags = [write(len(words), entities, scheme) for words, entities in corpus]
    text = columns_text if draw(st.integers(0, 3)) else records_text
    return (corpus, *text(draw, corpus, tags))


counts = {"equal": 0, "refused": 0}


def check(case: tuple[Corpus, str, str]) -> None:
    corpus, name, content = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(content, encoding="utf-8")
        understand = understand_records if holds_records(path) else understand_tagged
        try:
            examples = understand(path, NER().check_label, wanted="entities").examples
        except DataError:
            counts["refused"] += 1
            return
    counts["equal"] += 1
    found = [(list(one.words), list(one.tags)) for one in examples if isinstance(one, TaggedSentence)]
    assert found == [(words, write(len(words), entities, BIO)) for words, entities in corpus]


@pytest.mark.parametrize("cases", first_quick([200, CASES]))
def test_no_corpus_is_misread(cases: int) -> None:
    counts.update(equal=0, refused=0)
    random = "XLT_FUZZ_CASES" in os.environ
    run = settings(max_examples=cases, deadline=None, database=None, derandomize=not random,
                   suppress_health_check=list(HealthCheck))  # fmt: skip
    run(given(written())(check))()
    assert counts["equal"] > 4 * counts["refused"], counts
