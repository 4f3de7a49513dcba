"""The same corpus in every form that annotators and public corpora have is read as the same words and BIO tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import shared
from xltransfer.data.examples import TaggedSentence
from xltransfer.data.readers.tagged_records import understand_records
from xltransfer.data.readers.words.tagged import understand_tagged
from xltransfer.data.schemes import from_bio
from xltransfer.datasets.base import SPLITS
from xltransfer.datasets.folder import Folder
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS

FORMS = ("blank-with-spaces", "csv-sentence-id", "docstart", "index-first", "iob1", "iobes", "json-array", "jsonl-ids",
         "jsonl-tokens", "tag-in-the-middle")  # fmt: skip
Sentences = list[tuple[tuple[str, ...], tuple[str, ...]]]


def read(root: Path, language: str, split: str, **options: Any) -> Sentences:
    examples = Folder(root, 42, **options).load(NER(), language, split)
    return [(one.words, one.tags) for one in examples if isinstance(one, TaggedSentence)]


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_failed(form: str) -> None:
    cases = shared("cases/ner")
    for language in ("aa", "bb"):
        for split in SPLITS:
            assert read(cases / form, language, split) == read(cases / "plain", language, split)


@pytest.mark.parametrize("form, own", [("iob1", "iob1"), ("iobes", "iobes"), ("plain", None)])
def test_the_own_scheme_gives_the_tags_of_the_file(form: str, own: str | None) -> None:
    folder = Folder(shared("cases/ner") / form, 42)
    examples = folder.load(NER(), "bb", "test")
    assert folder.tag_scheme("bb") == own
    (reading,) = folder.readings().values()
    assert reading.scheme is not None
    written = [tag for one in examples if isinstance(one, TaggedSentence) for tag in from_bio(one.tags, reading.scheme)]
    lines = (shared("cases/ner") / form / "bb" / "test.txt").read_text(encoding="utf-8").split("\n")
    assert written == [line.split()[-1] for line in lines if line.strip()]
    assert [note for note in folder.notes() if form in note] == (
        [f"bb: tags of scheme {form} are read as BIO; {reading.changed} changed in 1 file."] if own else []
    )


WORDS = [("Ada", "Obi", "saw", "Lagos", "."), ("the", "Bank", "of", "Jos", "closed")]
TAGS = [("B-PER", "I-PER", "O", "B-LOC", "O"), ("O", "B-ORG", "I-ORG", "I-ORG", "O")]
TEXTS = [" ".join(words) for words in WORDS]


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


SPANS = [[(0, 7, "PER"), (12, 17, "LOC")], [(4, 15, "ORG")]]
NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
BILOU = [("B-PER", "L-PER", "O", "U-LOC", "O"), ("O", "B-ORG", "I-ORG", "L-ORG", "O")]


def spanned(name: str, keys: tuple[str, str], **others: Any) -> list[dict[str, Any]]:
    """Records of a text and its spans."""
    spans = ([{keys[0]: start, keys[1]: end, "label": kind} for start, end, kind in found] for found in SPANS)
    return [{"text": text, name: found, **others} for text, found in zip(TEXTS, spans, strict=True)]


def spacy_tokens(words: Any, tags: Any) -> dict[str, Any]:
    return {"tokens": [{"orth": word, "ner": tag} for word, tag in zip(words, tags, strict=True)]}


FURTHER = {
    "GermEval 2014: comments with tabs, outer and inner tags": (
        "train.tsv",
        "#\thttp://de.wikipedia.org/wiki/X\t[2009-10-17]\n1\tAda\tB-PER\tO\n2\tObi\tI-PER\tO\n3\tsaw\tO\tO\n4\tLagos\tB-LOC\tO\n"
        "5\t.\tO\tO\n\n#\tn-tv.de vom 26.02.2005\t[2005-02-26]\n1\tthe\tO\tO\n2\tBank\tB-ORG\tO\n3\tof\tI-ORG\tO\n"
        "4\tJos\tI-ORG\tB-LOC\n5\tclosed\tO\tO\n",
    ),
    "Universal NER: CoNLL-U comments, an annotator's name": (
        "train.iob2",
        "# sent_id = a-1\n# text = Ada Obi\n1\tAda\tB-PER\t-\tann\n2\tObi\tI-PER\t-\tann\n3\tsaw\tO\t-\tann\n"
        "4\tLagos\tB-LOC\t-\tann\n5\t.\tO\t-\tann\n\n# sent_id = a-2\n1\tthe\tO\t-\tann\n2\tBank\tB-ORG\t-\tann\n"
        "3\tof\tI-ORG\t-\tann\n4\tJos\tI-ORG\t-\tann\n5\tclosed\tO\t-\tann\n",
    ),
    "CoNLL-U Plus: columns named in the first line": (
        "train.conllup",
        "# global.columns = ID FORM LEMMA UPOS NER\n1\tAda\tAda\tPROPN\tB-PER\n2\tObi\tObi\tPROPN\tI-PER\n"
        "3\tsaw\tsee\tVERB\tO\n4\tLagos\tLagos\tPROPN\tB-LOC\n5\t.\t.\tPUNCT\tO\n\n1\tthe\tthe\tDET\tO\n"
        "2\tBank\tbank\tPROPN\tB-ORG\n3\tof\tof\tADP\tI-ORG\n4\tJos\tJos\tPROPN\tI-ORG\n5\tclosed\tclose\tVERB\tO\n",
    ),
    "GMB on Kaggle: CSV, the sentence's number in its first row": (
        "train.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,Ada,NNP,B-PER\n,Obi,NNP,I-PER\n,saw,VBD,O\n,Lagos,NNP,B-LOC\n,.,.,O\n"
        "Sentence: 2,the,DT,O\n,Bank,NNP,B-ORG\n,of,IN,I-ORG\n,Jos,NNP,I-ORG\n,closed,VBD,O\n",
    ),
    "Label Studio's CoNLL export": (
        "train.conll",
        "-DOCSTART- -X- O\nAda -X- _ B-PER\nObi -X- _ I-PER\nsaw -X- _ O\nLagos -X- _ B-LOC\n. -X- _ O\n\n"
        "the -X- _ O\nBank -X- _ B-ORG\nof -X- _ I-ORG\nJos -X- _ I-ORG\nclosed -X- _ O\n",
    ),
    "CoNLL-2002: two columns in eng.train": (
        "eng.train",
        "Ada B-PER\nObi I-PER\nsaw O\nLagos B-LOC\n. O\n\nthe O\nBank B-ORG\nof I-ORG\nJos I-ORG\nclosed O\n\n",
    ),
    "BILOU with the type first": (
        "train.txt",
        "Ada PER-B\nObi PER-L\nsaw O\nLagos LOC-U\n. O\n\nthe O\nBank ORG-B\nof ORG-I\nJos ORG-L\nclosed O\n",
    ),
    "BMES": (
        "train.bmes",
        "Ada B-PER\nObi E-PER\nsaw O\nLagos S-LOC\n. O\n\nthe O\nBank B-ORG\nof M-ORG\nJos E-ORG\nclosed O\n",
    ),
    "an index that begins again, and no empty lines": (
        "train.tsv",
        "0\tAda\tB-PER\n1\tObi\tI-PER\n2\tsaw\tO\n3\tLagos\tB-LOC\n4\t.\tO\n0\tthe\tO\n1\tBank\tB-ORG\n2\tof\tI-ORG\n"
        "3\tJos\tI-ORG\n4\tclosed\tO\n",
    ),
    "doccano": ("train.jsonl", jsonl(*({"text": t, "label": s} for t, s in zip(TEXTS, SPANS, strict=True)))),
    "doccano with relations": (
        "train.jsonl",
        jsonl(*spanned("entities", ("start_offset", "end_offset"), relations=[])),
    ),
    "Prodigy": (
        "train.jsonl",
        jsonl(*spanned("spans", ("start", "end"), answer="accept"), {"text": "x", "spans": [], "answer": "reject"}),
    ),
    "spaCy's to_json": ("train.jsonl", jsonl(*spanned("ents", ("start", "end"), tokens=[]))),
    "spaCy 2's training data": (
        "train.json",
        json.dumps([[text, {"entities": spans}] for text, spans in zip(TEXTS, SPANS, strict=True)]),
    ),
    "spaCy 2's training format": (
        "train.json",
        json.dumps([{"paragraphs": [{"sentences": list(map(spacy_tokens, WORDS, BILOU))}]}]),
    ),
    "columns in JSON": ("train.json", json.dumps({"tokens": WORDS, "ner_tags": TAGS})),
    "fields of other names, ids with names in dataset_info.json": (
        "train.jsonl",
        jsonl(
            *({"words": words, "ner": list(map(NAMES.index, tags))} for words, tags in zip(WORDS, TAGS, strict=True))
        ),
    ),
}


@pytest.mark.parametrize("form", FURTHER)
def test_further_forms(form: str, tmp_path: Path) -> None:
    name, content = FURTHER[form]
    (tmp_path / "xx").mkdir()
    (tmp_path / "xx" / name).write_text(content, encoding="utf-8")
    info = {"features": {"ner": {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"}}}
    (tmp_path / "xx" / "dataset_info.json").write_text(json.dumps(info))
    assert read(tmp_path, "xx", "train") == list(zip(WORDS, TAGS, strict=True))
    assert len({example.id for example in Folder(tmp_path, 42).load(NER(), "xx", "train")}) == len(WORDS)


@pytest.mark.parametrize("layout", ["parquet", "shards", "folders", "save_to_disk", "one set"])
def test_tables_of_datasets(layout: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        tokens=datasets.Sequence(datasets.Value("string")), ner_tags=datasets.Sequence(datasets.ClassLabel(names=NAMES))
    )
    table = datasets.Dataset.from_dict(
        {"tokens": WORDS * 3, "ner_tags": [[NAMES.index(tag) for tag in row] for row in TAGS * 3]}, features
    )
    folder = tmp_path / "xx"
    expected = list(zip(WORDS, TAGS, strict=True)) * 3
    if layout == "parquet":
        table.to_parquet(folder / "validation-00000-of-00001.parquet")
    elif layout == "shards":
        table.select([4, 5]).to_parquet(folder / "validation-00001-of-00002.parquet")
        table.select([0, 1, 2, 3]).to_parquet(folder / "validation-00000-of-00002.parquet")
    elif layout == "folders":
        table.to_parquet(folder / "validation" / "0000.parquet")
    elif layout == "save_to_disk":
        datasets.DatasetDict(validation=table, train=table).save_to_disk(folder)
    else:
        table.save_to_disk(folder)
        found = [pair for split in SPLITS for pair in read(tmp_path, "xx", split)]
        assert sorted(found) == sorted(expected[:2])  # split at random, each sentence once
        return
    assert Folder(tmp_path, 42).languages() == ["xx"]
    assert read(tmp_path, "xx", "dev") == expected


def reading(tmp_path: Path, content: str, name: str = "train.txt", wanted: Any = "entities", **options: Any) -> Any:
    (tmp_path / name).write_text(content, encoding="utf-8")
    understand = understand_records if name.endswith((".json", ".jsonl")) else understand_tagged
    task = POS() if wanted == "words" else NER()
    return understand(tmp_path / name, task.check_label, wanted=wanted, **options)


PLAIN = "Ada B-PER\nObi I-PER\nsaw O\n\nJos B-LOC\n"


@pytest.mark.parametrize(
    "content, options, message",
    [
        ("a PER\nb PER\n\nc O\n", {}, r"train\.txt:1: tag 'PER' is outside BIO; .* --data-opt scheme=raw"),
        ("a B-PER\nb O\nc I-PER\n", {}, r"no scheme: as bio, .*train\.txt:3 has I-PER for B-PER; as iob1, .*:1 has"),
        ("a B-PER\nb L-PER\nc S-PER\n", {}, r"letters of its tags are of no one scheme; allowed: bio, iob1"),
        (PLAIN, {"scheme": "bioX"}, r"scheme: received 'bioX'; allowed: .*bilou"),
        (PLAIN, {"columns": ["word", "_"]}, r"columns: received word,_; allowed: a name for each of its 2 columns"),
        ("ein B-A B-C\nx O B-C\ny B-A O\n\n", {}, r"the tag can be column 2 \('B-A', 'O'\) or column 3"),
        ("abc xyz B-A\ndef uvw O\nghi rst O\n\n", {}, r"the word can be column 1 \('abc', 'def', 'ghi'\) or column 2"),
    ],
)  # fmt: skip
def test_what_is_uncertain_is_refused(content: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        reading(tmp_path, content, **options)


@pytest.mark.parametrize(
    "record, message",
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, r"train\.jsonl:1: 2 words but 1 tags"),
        ({"tokens": ["a"], "ner_tags": [0]}, r"ner_tags holds ids, .* put labels\.txt beside the file"),
        ({"tokens": ["a", 3], "ner_tags": ["O", "O"]}, r"a word is '3'; a string"),
        ({"text": "Ada", "label": [[0, 9, "PER"]]}, r"span 0-9 is outside of its text of 3 characters"),
        ({"text": "Ada", "label": [{"start": 0, "end": 2, "text": "da", "labels": ["P"]}]}, r"is 'Ad', not 'da'"),
        ({"text": "Ada", "label": [[0, 3, ""]]}, r"needed: a start, an end and one label"),
        ({"sentence": "Ada"}, r"no words with tags in its fields \(sentence\)"),
    ],
)
def test_records_that_cannot_be_read(record: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        reading(tmp_path, jsonl(record), "train.jsonl")


def test_spans_that_cut_words_are_counted(tmp_path: Path) -> None:
    text = "\U0001f600 Adaobi, Lagos-Ikeja"
    spans = [
        (3, 6, "Ada", "PER"),
        (11, 22, "Lagos-Ikeja", "LOC"),
        (11, 16, "Lagos", "CITY"),
    ]  # in UTF-16, as browsers do
    result = [{"type": "labels", "value": {"start": start, "end": end, "text": part, "labels": [kind]}}
              for start, end, part, kind in spans]  # fmt: skip
    record = {"data": {"text": text}, "annotations": [{"result": result}]}
    found = reading(tmp_path, jsonl(record), "train.jsonl")
    (example,) = found.examples
    assert example.words == ("\U0001f600", "Adaobi", ",", "Lagos", "-", "Ikeja")
    assert example.tags == ("O", "B-PER", "O", "B-LOC", "I-LOC", "I-LOC")
    assert "3 spans in 1 texts; 1 cut a word and were widened to it; 1 share a word with a longer one" in found.notes[1]


@pytest.mark.parametrize(
    "content, wanted, columns, note",
    [
        (
            "Runs run VERB\nAda Ada PROPN\nran run VERB\n\n",
            "words",
            ("word", "lemma", "tag"),
            "are much alike; column 1",
        ),
        (
            "run Runs O\nAda Ada B-P\nrun ran O\n\n",
            "entities",
            ("lemma", "word", "tag"),
            "lemma; otherwise: --data-opt columns=word,_,tag",
        ),
        ("a X\nb Y\n\n", "words", ("word", "tag"), "read as their tags; otherwise: --data-opt columns=tag,word"),
        (
            "Ada B-P B-Q\nb O O\n\nB B-P O\n\n",
            "entities",
            ("word", "tag", "_"),
            "is read; otherwise: --data-opt columns=word,_,tag",
        ),
        ("DET the\nNOUN cat\nVERB sat\nDET a\n\n", "words", ("tag", "word"), ""),
        (
            "1 Ada PROPN 2 nsubj\n2 ran VERB 0 root\n3 home ADV 2 obl\n\n",
            "words",
            ("index", "word", "tag", "_", "_"),
            "",
        ),
        ("Ada NNP I-NP B-PER\nb VB I-VP O\n\n", "words", ("word", "tag", "chunk", "_"), ""),
    ],
)
def test_what_was_chosen_is_said(
    content: str, wanted: Any, columns: tuple[str, ...], note: str, tmp_path: Path
) -> None:
    found = reading(tmp_path, content, wanted=wanted)
    assert found.columns == columns
    assert [note in one for one in found.notes] == ([True] if note else [])


def test_columns_as_told(tmp_path: Path) -> None:
    content = "abc xyz B-A\ndef uvw O\nghi rst O\n\n"
    (example,) = reading(tmp_path, content, columns=["_", "word", "tag"]).examples
    assert example.words == ("xyz", "uvw", "rst")
    (example,) = reading(tmp_path, "a PER\nb PER\nc O\n", scheme="raw").examples
    assert example.tags == ("B-PER", "I-PER", "O")


def test_files_of_a_language_with_columns_in_other_places(tmp_path: Path) -> None:
    (tmp_path / "xx").mkdir()
    for split, line in {"train": "{0} {1}\n", "dev": "{1} {0}\n", "test": "{0} {1}\n"}.items():
        rows = ("".join(map(line.format, words, tags)) for words, tags in zip(WORDS, TAGS, strict=True))
        (tmp_path / "xx" / f"{split}.txt").write_text("\n".join(rows))
    folder = Folder(tmp_path, 42)
    for split in SPLITS:
        found = [one for one in folder.load(NER(), "xx", split) if isinstance(one, TaggedSentence)]
        assert [one.words for one in found] == WORDS
    assert folder.notes() == [
        "xx/dev.txt is read as tag,word, but train.txt as word,tag; one way for both: --data-opt columns=..."
    ]
