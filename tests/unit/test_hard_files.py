"""Files as users have them: damaged, huge, in any script. A reader gives the sentences, or one error with the line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from xltransfer.data.examples import LabelledText, TaggedSentence
from xltransfer.data.readers import lines, spreadsheet
from xltransfer.data.readers.labelled import read_labelled
from xltransfer.data.readers.words.tagged import read_tagged
from xltransfer.encoders.loading import open_encoder
from xltransfer.errors import DataError
from xltransfer.tasks.ner import NER

GOOD = b"a O\nB B-PER\n\nC B-LOC\n"


def file_of(folder: Path, content: bytes | str, name: str = "train.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def words_of(path: Path) -> list[tuple[str, ...]]:
    return [sentence.words for sentence in read_tagged(path)]


CONLLU = """# sent_id = 1
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\t_\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\t_\t_\t_
2.1\tvan\tir\tVERB\t_\t_\t_\t_\t_\t_
3\t10 000\t10000\tNUM\t_\t_\t1\t_\t_\t_
"""


def test_conllu_words_are_the_syntactic_ones(tmp_path: Path) -> None:
    (sentence,) = read_tagged(file_of(tmp_path, CONLLU, "train.conllu"))
    assert sentence == TaggedSentence("train.conllu:3", ("vamos", "nos", "10 000"), ("VERB", "PRON", "NUM"))


def test_conllu_id_of_no_known_kind_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.conllu:4: id '2a' is not a CoNLL-U id; allowed: 7, 7-8, 7\.1"):
        read_tagged(file_of(tmp_path, CONLLU.replace("\n2\t", "\n2a\t"), "train.conllu"))


def test_columns_are_what_the_file_holds_whatever_its_name(tmp_path: Path) -> None:
    assert words_of(file_of(tmp_path, "0\tJuan\tB-PER\n1\t3\tO\n\n0\tva\tO\n", "val.conllu")) == [
        ("Juan", "3"),
        ("va",),
    ]


@pytest.mark.parametrize("gap", ["\t", " "])
def test_only_the_first_language_prefix_is_none_of_the_token(tmp_path: Path, gap: str) -> None:
    text = "en:en:x O\nen:: O\nen:http://a O\n".replace(" ", gap)
    assert words_of(file_of(tmp_path, text)) == [("en:x", ":", "http://a")]


def test_a_colon_in_some_tokens_is_no_prefix(tmp_path: Path) -> None:
    assert words_of(file_of(tmp_path, "re:x O\nB O\n")) == [("re:x", "B")]


@pytest.mark.parametrize(
    "word",
    ["\u200b", "\u200e", "\ufeff", "\u00a0", "\u3000", "\u0378", "10\u00a0000", "\u2028", "e\u0301", "\U0001f600"],
)
@pytest.mark.parametrize("gap", ["\t", " "])
def test_unusual_characters_are_tokens_like_others(tmp_path: Path, word: str, gap: str) -> None:
    assert words_of(file_of(tmp_path, f"a{gap}O\n{word}{gap}O\nb{gap}O\n")) == [("a", word, "b")]


RTL = "הלכתי\tO\nל\u200fירושלים\tB-LOC\n.\tO\n\nذهبت\tO\nإلى\tO\nالقدس\tB-LOC\n"


def test_right_to_left_words_keep_their_logical_order_and_marks(tmp_path: Path) -> None:
    assert words_of(file_of(tmp_path, RTL)) == [("הלכתי", "ל\u200fירושלים", "."), ("ذهبت", "إلى", "القدس")]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.rstrip(b"\n")])
def test_bom_crlf_and_a_missing_last_line_end_change_nothing(tmp_path: Path, content: bytes) -> None:
    assert read_tagged(file_of(tmp_path, content)) == read_tagged(file_of(tmp_path / "..", GOOD))


TABLES = {
    "a.tsv": 'text\tlabel\ngood, 5"\tpos\nbad\tneg\n',
    "a.csv": 'label,text\npos,"good, 5"""\nneg,bad\n',
    "a.jsonl": '{"text": "good, 5\\"", "label": "pos"}\n{"text": "bad", "label": "neg"}\n',
    "a.json": '[{"text": "good, 5\\"", "label": "pos"},\n{"text": "bad", "label": "neg"}]',
}


@pytest.mark.parametrize("name, text", TABLES.items())
@pytest.mark.parametrize("change", ["", "crlf", "bom", "blank lines"])
def test_labelled_files_with_bom_crlf_and_blank_lines(tmp_path: Path, name: str, text: str, change: str) -> None:
    text = {"crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text, "blank lines": f"\n{text}\n\n"}.get(
        change, text
    )
    found = read_labelled(file_of(tmp_path, text, name))
    assert [(example.text, example.label) for example in found] == [('good, 5"', "pos"), ("bad", "neg")]


@pytest.mark.parametrize(
    "last_line, message",
    [
        (b"D\xff{}O\n", r"byte 2 of the line \(0xff\) is not UTF-8 .*iconv"),
        (b"\xe2\x82", r"byte 1 of the line \(0xe2\) is not UTF-8"),
        (b"D\0{}O\n", r"byte 2 of the line is NUL.* tr -d"),
    ],
)
@pytest.mark.parametrize("kind", ["tagged", "labelled"])
def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path, last_line: bytes, message: str, kind: str) -> None:
    before, gap = (GOOD, b" ") if kind == "tagged" else (b"text\tlabel\ngood\tpos\n\nbad\tneg\n", b"\t")
    path = file_of(tmp_path, before + last_line.replace(b"{}", gap))
    with pytest.raises(DataError, match=rf"train\.txt:5: {message}") as raised:
        read_tagged(path) if kind == "tagged" else read_labelled(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("read", [read_tagged, read_labelled])
@pytest.mark.parametrize(
    "content, message",
    [
        ("a O\n".encode("utf-16"), r"train\.txt:1: the file is UTF-16; convert it: iconv -f UTF-16"),
        (b"\n \n\r\n", r"train\.txt: the file is empty"),
        (b"x" * (lines.MAX_LINE_BYTES + 1), r"train\.txt:1: the line is longer than 16 MiB"),
    ],
)
def test_files_that_are_no_lines_of_text(tmp_path: Path, read: object, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(file_of(tmp_path, content))  # type: ignore[operator]


def test_carriage_return_within_a_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt:2: a carriage return within the line"):
        read_tagged(file_of(tmp_path, "a O\nb\rc O\n"))
    (example,) = read_labelled(file_of(tmp_path, "text\tlabel\nso\rso\tpos\n"))
    assert example.text == "so so"


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", 'text,label\n"two\nlines",pos\n"open,neg\nc,pos\n', r"a\.csv:4: .*in the row that begins here"),
        ("a.jsonl", '{"text": "a", "label": "\\ud800"}', r"a\.jsonl:1: the label holds NUL or half of a surrogate"),
        ("a.jsonl", '{"text": "a\\u0000", "label": "x"}', r"a\.jsonl:1: the text holds NUL"),
        ("a.jsonl", '{"text": ["a"], "label": "x"}', r"a\.jsonl:1: the text is of type list"),
        ("a.jsonl", '{"text": "a", "label": null}', r"a\.jsonl:1: the label is of type NoneType"),
        ("a.tsv", "text\tlabel\na\t\n", r"a\.tsv:2: the label is empty"),
        ("a.json", "[" * 100_000, r"a\.json:1: JSON that cannot be read"),
        ("a.jsonl", '{"text": "a", "label": ' + "1" * 5000 + "}", r"a\.jsonl:1: JSON that cannot be read"),
        ("a.json", '[{"text": "a",\n"label": "x"},\n{]', r"a\.json:3: not JSON"),
        ("a.xlsx", "PK", r"a\.xlsx: not a readable spreadsheet .*save it as \.xlsx again"),
        ("a_pos.txt", "____\n\n", r"a_pos\.txt: no text in the file"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        read_labelled(file_of(tmp_path, content, name))
    assert len(str(raised.value)) < 600


def test_row_of_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    found = read_labelled(file_of(tmp_path, 'text,label\n"two\nlines",pos\nb,neg\n', "a.csv"))
    assert found == [LabelledText("a.csv:2", "two lines", "pos"), LabelledText("a.csv:4", "b", "neg")]


def test_text_that_begins_with_a_bracket_is_text(tmp_path: Path) -> None:
    (example,) = read_labelled(file_of(tmp_path, "[update] good\n", "product_pos.txt"))
    assert example.text == "[update] good"


def test_spreadsheet_with_ragged_rows_and_without_any(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.save(tmp_path / "empty.xlsx")
    with pytest.raises(DataError, match=r"empty\.xlsx:1: no text column"):
        read_labelled(tmp_path / "empty.xlsx")
    for row in [("polarity", "text", "note"), ("+1", "good"), (), ("-1", "bad", "seen")]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    found = read_labelled(tmp_path / "a.xlsx")
    assert [(example.id, example.text, example.label) for example in found] == [
        ("a.xlsx:2", "good", "+1"), ("a.xlsx:4", "bad", "-1")]  # fmt: skip


def test_spreadsheet_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openpyxl

    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match=r"at most 0 MiB are read\. Save its first sheet as CSV"):
        read_labelled(tmp_path / "a.xlsx")


LIMITED = """
    import resource, sys
    from pathlib import Path
    from xltransfer.data.readers.labelled import read_labelled
    from xltransfer.data.readers.words.tagged import read_tagged, tagged_sentences
    from xltransfer.errors import DataError
    resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
    try:
        print(sum(1 for _ in {read}(Path(sys.argv[1]))))
    except DataError as error:
        print(error)
"""


def count_within(limit: int, read: str, path: Path) -> str:
    """How many examples a reader finds, or its error, in a process that has `limit` bytes of memory."""
    code = textwrap.dedent(LIMITED).format(read=read, limit=limit)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(
    "read, begin, name, message",
    [
        ("read_tagged", b"", "train.txt", "train.txt:1: byte 1 of the line is NUL"),
        ("read_tagged", GOOD, "train.txt", "train.txt:5: byte 1 of the line is NUL"),
        ("read_labelled", b"text\tlabel\na\tpos\n", "a.tsv", "a.tsv:3: byte 1 of the line is NUL"),
        ("read_labelled", b"text,label\n", "a.csv", "a.csv:2: byte 1 of the line is NUL"),
        ("read_labelled", b'{"text": "a", "label": 1}\n', "a.jsonl", "a.jsonl:2: byte 1 of the line is NUL"),
        ("read_labelled", b"[\n", "a.json", "a.json: a JSON array of 1024 MiB; at most 64 MiB"),
        ("read_labelled", b"PK", "a.xlsx", "a.xlsx: not a readable spreadsheet"),
    ],
)
def test_file_of_a_gigabyte_under_500_megabytes(
    tmp_path: Path, read: str, begin: bytes, name: str, message: str
) -> None:
    path = file_of(tmp_path, begin, name)
    with path.open("r+b") as file:
        file.truncate(2**30)  # a hole: NULs that take no room on the disk
    assert message in count_within(500_000_000, read, path)


@pytest.mark.slow
def test_more_sentences_than_memory_holds(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"a O\n\n" * 200_000)  # a megabyte, and a hundred of Python's objects
    assert count_within(60_000_000, "tagged_sentences", path) == "200000"
    assert "does not fit in this machine's memory (1 MB on disk)" in count_within(60_000_000, "read_tagged", path)


LONG = 5000


def test_sentence_of_5000_words_is_cut_counted_and_decoded_in_full(tmp_path: Path) -> None:
    import torch

    files = open_encoder("tiny")
    (sentence,) = read_tagged(file_of(tmp_path, "Tage B-PER\n" * LONG))
    (encoded,) = NER().encode([sentence], ["O", "B-PER"], files.tokenizer, 128)
    assert len(encoded.features["input_ids"]) == 128
    assert encoded.cut
    assert len(encoded.words) == LONG
    kept = sum(position >= 0 for position in encoded.words)
    always_person = torch.tensor([[[0.0, 1.0]] * 128])
    assert NER().decode(always_person, [encoded], ["O", "B-PER"]) == [["B-PER"] * kept + ["O"] * (LONG - kept)]
