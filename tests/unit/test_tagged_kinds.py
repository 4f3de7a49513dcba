"""Columns of tagged words that are easily misread: slips, chunks, headers of any names, no empty lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xltransfer.data.readers.words.tagged import understand_tagged
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER
from xltransfer.tasks.pos import POS

WORDS = [("Ada", "Obi", "saw", "Lagos"), ("she", "ran"), ("the", "Bank", "of", "Jos")]
TAGS = [("B-PER", "I-PER", "O", "B-LOC"), ("O", "O"), ("O", "B-ORG", "I-ORG", "I-ORG")]
CHUNKS = [("B-NP", "I-NP", "B-VP", "B-NP"), ("B-NP", "B-VP"), ("B-NP", "I-NP", "B-PP", "B-NP")]
POS_TAGS = [("PROPN", "PROPN", "VERB", "PROPN"), ("PRON", "VERB"), ("DET", "NOUN", "ADP", "PROPN")]
LOWER = [tuple(tag.lower() for tag in tags) for tags in POS_TAGS]
TYPES = [("PER", "PER", "O", "LOC"), ("O", "O"), ("O", "ORG", "ORG", "ORG")]


def lines(row: str, head: str = "", between: str = "\n", after: str = "", slip: str = "") -> str:
    """The corpus, a row a word: {w}ord, {t}ag, {c}hunk, {p}os, {y} type, {s}entence, {i}ndex from 0; the tags' slip."""
    found = []
    for s, words in enumerate(WORDS):
        rows = []
        for i, word in enumerate(words):
            tag = slip if slip and (s, i) == (1, 1) else TAGS[s][i]
            filled = row.format(w=word, t=tag, c=CHUNKS[s][i], p=POS_TAGS[s][i], y=TYPES[s][i], s=s, i=i, s1=s + 1,
                                i1=i + 1, doc=s // 2, gap=i + 1 + (i > 1), hundred=100 + s, s2=s % 2 + 1,
                                n=POS_TAGS[s][i].lower(), n1=100 * s + i, start=int(i == 0), name="abc"[s],
                                misc="EndOfSentence" if i + 1 == len(words) else "_", penn="NN",
                                score=("1", "0.98", "0", "0.1", "1e-3")[(s + i) % 5])  # fmt: skip
            rows.append(filled.replace("|", "\t") + "\n" + after)
        found.append("".join(rows))
    return head.replace("|", "\t") + between.join(found)


def twice(head: str) -> str:
    """The corpus twice, with tags in lower case."""
    return lines("{w}|{n}", head) + "\n" + lines("{w}|{n}")


def understood(folder: Path, content: str, wanted: Any, name: str = "train.tsv", **options: Any) -> Any:
    (folder / name).write_text(content, encoding="utf-8")
    return understand_tagged(
        folder / name, (POS() if wanted == "words" else NER()).check_label, wanted=wanted, **options
    )


@pytest.mark.parametrize("slip, said", [("0", "tag '0'"), ("o", "tag 'o'"), ("_", "tag '_'"), ("PER", "tag 'PER'"),
                                        ("O.", "tag 'O.'"), ("B-", "tag 'B-'")])  # fmt: skip
@pytest.mark.parametrize("row", ["{w}|{p}|{c}|{t}", "{w}|{t}|{c}", "{w}|{t}", "{t}|{w}"])
def test_a_slip_among_the_tags_is_named_and_no_other_column_read(
    slip: str, said: str, row: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"train\.tsv:7: {said}"):
        understood(tmp_path, lines(row, slip=slip), "entities")


def test_a_slip_among_outer_tags(tmp_path: Path) -> None:
    content = "1\tAda\tB-PER\tO\n2\tObi\t0\tB-LOC\n3\tran\tO\tO\n\n1\the\tO\tO\n2\tsaw\tO\tO\n3\tJos\tB-LOC\tO\n"
    with pytest.raises(DataError, match=r"train\.tsv:2: tag '0'"):
        understood(tmp_path, content, "entities")


def test_chunks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tag 'PER' is outside BIO; .* --data-opt scheme=raw"):
        understood(tmp_path, lines("{w}|{c}|{y}"), "entities")
    found = understood(tmp_path, lines("{w}|{c}|{y}"), "entities", scheme="raw")
    assert [one.tags for one in found.examples] == TAGS
    found = understood(tmp_path, lines("{w}|{p}|{c}"), "entities")
    assert [one.tags for one in found.examples] == CHUNKS
    assert found.notes == ("column 3 holds phrases (chunks), which are read as the entities",)


READ: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ten columns with a header, not CoNLL-U": (
        lines("{s1}|{i1}|{w}|{w}|{p}|_|_|0|dep|_",
              "sentence_id|token_id|token|lemma|upos|xpos|feats|head|deprel|misc\n", between=""), "words", {}),
    "a trailing tab": (lines("{w}|{t}|"), "entities", {}),
    "sentences counted anew in each document": (lines("{doc}|{i1}|{s1}|{w}|{t}", between=""), "entities", {}),
    "sentences and documents, by name": (
        lines("{s}|1|{w}|{t}", "doc_id|sent_id|token|tag\n", between=""), "entities", {}),
    "an id of the sentence": (lines("{hundred}|{w}|{t}", "id|word|tag\n", between=""), "entities", {}),
    "an id with letters": (lines("tw{hundred}|{w}|{t}", "idx|word|tag\n", between=""), "entities", {}),
    "an index with gaps": (lines("{gap}|{w}|{t}", "token_id|word|tag\n", between=""), "entities", {}),
    "an index with gaps, without a name": (lines("{gap}|{w}|{t}", between=""), "entities", {}),
    "an index from 0, as told": (lines("{i}|{w}|{p}"), "words", {"columns": ["index", "word", "pos"]}),
    "an index from 0, as told, no empty lines": (
        lines("{i}|{w}|{p}", between=""), "words", {"columns": ["index", "word", "pos"]}),
    "an index beside offsets in the text": (
        "".join(f"{word}\t{tag}\t{10 * number}\t{i}\n" for number, (i, word, tag) in enumerate(
            (i, *pair) for words, tags in zip(WORDS, TAGS, strict=True)
            for i, pair in enumerate(zip(words, tags, strict=True)))), "entities", {}),
    "parts of speech of two inventories": (lines("{w}|{w}|{p}", "word|xpos|upos\n"), "words", {}),
    "an empty line after each row, sentences numbered": (lines("{s1}|{w}|{t}", between="", after="\n"), "entities", {}),
    "an empty line after each row, an index": (lines("{i1}|{w}|{p}", between="", after="\n"), "words", {}),
    "quotation marks of R": (lines('"{w}"|"{t}"', '"word"|"tag"\n'), "entities", {}),
    "quotation marks of pandas, parts of speech": (lines('{w}|"{p}"'), "words", {}),
    "a header of unknown names": (lines("{w}|{t}", "Wort|Etikett\n"), "entities", {}),
    "a header of unknown names, with an index": (lines("{i1}|{w}|{t}", "Nr|Wort|Etikett\n"), "entities", {}),
    "a header of unknown names, as told": (
        lines("{w}|{t}", "Wort|Etikett\n"), "entities", {"columns": ["word", "tag"]}),
    "a header of unknown names, parts of speech": (lines("{w}|{p}", "Wort|Wortart\n"), "words", {}),
    "a header of names half known": (lines("{w}|{p}", "wordform|gold_pos\n"), "words", {}),
    "a header, parts of speech, as told": (
        lines("{w}|{p}", "form|xpos\n"), "words", {"columns": ["word", "pos"]}),
    "comments as wide as rows": (lines("{w} _ _ {t}", "# id 5239\tdomain=en\n"), "entities", {}),
    "comments as wide as rows, parts of speech": (lines("{w} {p}", "# newsgroup\n"), "words", {}),
    "scores of which some are 1": (lines("{w}|{t}|{score}"), "entities", {}),
    "scores and a header": (lines("{w}|{t}|{score}", "token|tag|confidence\n"), "entities", {}),
    "ids as numbers with a point": (lines("{i1}.0|{w}|{t}"), "entities", {}),
    "ids of chapter and word": (lines("1.{i1}|{w}|{t}", "id|word|tag\n"), "entities", {}),
    "sentences counted anew in each article": (
        lines("a{doc}|{s2}|{w}|{t}", "article_id|sentence_id|token|tag\n", between=""), "entities", {}),
    "articles of one sentence": (
        lines("a{s}|1|{w}|{t}", "article_id|sentence_id|token|tag\n", between=""), "entities", {}),
    "few sentences a document, no header": (lines("{doc}|{s2}|{w}|{t}", between=""), "entities", {}),
    "empty lines between documents, an index": (
        lines("{i1}|{w}|{t}", between="").replace("1\tthe", "\n1\tthe"), "entities", {}),
    "names of sentences": (lines("{hundred}-ab|{w}|{t}", between=""), "entities", {}),
    "names of files": (lines("f{hundred}.txt|{w}|{t}", between=""), "entities", {}),
    "names of files by name": (lines("{name}|{w}|{t}", "filename|word|tag\n", between=""), "entities", {}),
    "where a sentence begins": (lines("{w}|{t}|{start}", "word|tag|is_sent_start\n", between=""), "entities", {}),
    "where a sentence begins, called sent": (lines("{start}|{w}|{t}", "sent|word|tag\n", between=""), "entities", {}),
    "a header of one known name": (twice("Mot|POS\n"), "lower", {}),
    "a header of one known name, TAG": (twice("Wort|TAG\n"), "lower", {}),
    "a header with brackets": (twice("Mot|Étiquette (UPOS)\n"), "lower", {}),
    "a header of another script": (twice("单词|词性\n"), "lower", {}),
    "commas and blanks": (lines("{w}, {t}"), "entities", {}),
    "semicolons and blanks": (lines("{w}; {p}"), "words", {}),
    "decimal commas": (lines("{w};{p};0,{i}8"), "words", {"name": "train.csv"}),
    "decimal commas between tabs": (lines("{w}|{p}|0,{i}8"), "words", {"name": "train.csv"}),
    "Penn before universal": (lines("{w}|{penn}|{p}", "word|pos|upos\n"), "words", {}),
    "entities before parts of speech": (lines("{w}|{t}|{p}", "word|ner|tag\n"), "words", {}),
    "parts of speech before entities": (lines("{w}|{p}|{t}", "word|tag|ner\n"), "entities", {}),
    "R's table": (lines('"{n1}" "{w}" "{t}"', '"word" "tag"\n'), "entities", {}),
    "R's table, parts of speech": (lines('"{n1}" "{w}" "{p}"', '"word" "tag"\n'), "words", {}),
    "an index in the document, sentences numbered": (
        lines("d{doc}|{s}|{n1}|{w}|{t}", "doc|sent_idx|token_id|word|tag\n", between=""), "entities", {}),
    "a sentence's number by another name": (
        lines("{s1}|{w}|{t}", "sentence_idx|word|tag\n", between=""), "entities", {}),
    "where a sentence ends (HIPE)": (lines("{w}|{t}|{misc}", "TOKEN|TAG|MISC\n", between=""), "entities", {}),
    "parts of speech by another name, beside entities": (
        lines("{w}|{p}|{t}", "token|Part of Speech|ner\n"), "words", {}),
    "parts of speech by no known name, beside entities": (lines("{w}|{t}|{p}", "token|ner|kategorie\n"), "words", {}),
    "parts of speech in lower case, beside relations": (lines("{w}|{n}|nsubj"), "small", {}),
    "the names again": (lines("{w}|{t}", "word|tag\n", between="\nword\ttag\n"), "entities", {}),
    "the names again, unknown ones": (lines("{w}|{p}", "Wort|Wortart\n", between="\nWort\tWortart\n"), "words", {}),
    "a comment after the header": (lines("{w}|{t}", "TOKEN|TAG\n# hipe2022:language = de\n"), "entities", {}),
    "comments of many #": (lines("{w}|{t}", "###MEDLINE:95\n\n", between="\n###MEDLINE:96\n\n"), "entities", {}),
    "files joined, each with a byte-order mark": ("\ufeff" + lines("{w}|{t}", between="\n\ufeff"), "entities", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_kinds(kind: str, tmp_path: Path) -> None:
    content, wanted, options = READ[kind]
    found = understood(tmp_path, content, "words" if wanted in ("lower", "small") else wanted, **options)
    expected = {"words": POS_TAGS, "lower": LOWER, "small": LOWER}.get(wanted, TAGS)
    times = 2 if wanted == "lower" else 1
    assert [(one.words, one.tags) for one in found.examples] == times * list(zip(WORDS, expected, strict=True))


@pytest.mark.parametrize("content, wanted, name, message", [
    ("Ada,B-PER\n\"ran,O\nhome,O\nsaw\",O\n", "entities", "a.csv", r"a\.csv:2: a quotation mark is opened"),
    ("good\ta fine room\nbad\tno water at all\ngood\ta hotel in town\n", "words", "a.tsv", r"holds texts of several"),
    ("stars,review\n5,a fine room\n1,no water at all\n", "words", "a.csv", r"holds texts of several"),
])  # fmt: skip
def test_what_is_no_corpus_of_words_is_refused(
    content: str, wanted: str, name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        understood(tmp_path, content, wanted, name)


@pytest.mark.parametrize("content, wanted, note", [
    (lines("{w}|{t}", "Wort|Etikett\n"), "entities", "the first line, 'Wort, Etikett', is read as names of columns"),
    (lines("{w} {p}", "# newsgroup\n"), "words", "lines that begin with # and are read as comments: 1"),
    (lines("{i1}|{w}|{p}", between="", after="\n"), "words", "the empty line after each row ends no sentence"),
    (lines("{w}|{t}|{t}", "word|ner|label\n"), "entities", "columns 2 and 3 are called tags; column 2 is read"),
    (lines("{w}|{w}|{t}", "token|form|tag\n"), "entities", "columns 1 and 2 are called words; column 1 is read"),
    (lines("{w}|{t}", "word|tag\n", between="\nword\ttag\n"), "entities", "lines with the names of the columns again"),
    (lines("{w}|{p}", between="", after="\n"), "words", "each sentence has one word; take the empty lines"),
])  # fmt: skip
def test_what_was_taken_is_said(content: str, wanted: str, note: str, tmp_path: Path) -> None:
    assert any(one.startswith(note) for one in understood(tmp_path, content, wanted).notes)


def test_a_hash_that_is_a_word_stays_one(tmp_path: Path) -> None:
    found = understood(tmp_path, "# SYM\n1 NUM\n\nwe PRON\nhave VERB\n# SYM\n2 NUM\nit PRON\nran VERB\n", "words")
    assert [one.words for one in found.examples] == [("#", "1"), ("we", "have", "#", "2", "it", "ran")]
    for content in ("#\tB-PER\nAda\tI-PER\n\nJos\tO\nran\tO\n\n", "# SYM\n1 NUM\n\nwe PRON\n2 NUM\nI PRON\n"):
        found = understood(tmp_path, content, "entities" if "PER" in content else "words")
        assert found.examples[0].words[0] == "#"


@pytest.mark.parametrize("content, words", [
    ('""""\tO\nAda\tB-PER\n"5"" TV"\tO\n', ('"', "Ada", '5" TV')),  # pandas, quotation marks where needed
    ('"\\""\t"O"\n"Ada"\t"B-PER"\n"\\"\t"O"\n', ('"', "Ada", "\\")),  # R
    ('","\tO\nAda\tB-PER\n"5"" TV, new"\tO\n', (",", "Ada", '5" TV, new')),  # Excel
    ('","\tO\n,\tO\nAda\tB-PER\n', ('","', ",", "Ada")),
    ('""""\tO\nAda\tB-PER\n', ('""""', "Ada")),  # MasakhaNER 2.0
    ('"\tO\nAda\tB-PER\n""\tO\n""""\tO\n', ('"', "Ada", '""', '""""')),  # as they stand
    ('"\\""  "O"\n"Ada" "B-PER"\n', ('"', "Ada")),
    ('" O\nAda B-PER\n', ('"', "Ada")),
])  # fmt: skip
def test_quotation_marks(content: str, words: tuple[str, ...], tmp_path: Path) -> None:
    assert [one.words for one in understood(tmp_path, content, "entities").examples] == [words]


def test_a_first_row_with_a_tag_of_its_own_is_said(tmp_path: Path) -> None:
    rest = 4 * ("\n" + lines("{w}|{n}"))
    found = understood(tmp_path, "neno\taina" + rest, "words")
    assert found.examples[0].words[0] == "neno"
    said = "the first line, 'neno, aina', is read as a word; if it names the columns, take it out"
    assert said in found.notes
    assert said.replace("neno, aina", "Ada, NOUN") not in understood(tmp_path, "Ada\tNOUN" + rest, "words").notes


def test_sentences_by_number_beside_an_index_of_the_document(tmp_path: Path) -> None:
    rows = [(n // 24, n % 24 // 6, n % 24, f"w{n % 7}", ("O", "B-PER")[n % 3 == 0]) for n in range(72)]
    content = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    found = understood(tmp_path, content, "entities")
    assert [len(one.words) for one in found.examples] == [6] * 12
    assert found.notes == ("sentences end where column 2 says, oftener than where the index begins again",)


def test_a_header_whose_name_is_a_word_of_the_corpus(tmp_path: Path) -> None:
    content = lines("{w}|{n}", "word|teilart X\n") + "\nword\tnoun\n" + lines("{w}|{n}")
    assert understood(tmp_path, content, "words").examples[0].words == WORDS[0]


def test_gold_and_predicted_parts_of_speech_are_refused(tmp_path: Path) -> None:
    content = 3 * (lines("{w}|{p}|{p}") + "um\tUNK\tINTJ\n\n")
    with pytest.raises(DataError, match="the tag can be column 2"):
        understood(tmp_path, content, "words")
