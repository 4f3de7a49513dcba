"""Find which column of a table holds the text, the second text of a pair, and the label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from xltransfer.errors import DataError

TEXT_NAMES = ("text", "review_body", "review", "sentence", "content", "comment", "tweet", "utterance", "headline",
              "document", "message", "body", "post", "query")  # fmt: skip
PAIR_NAMES = (("premise", "hypothesis"), ("sentence1", "sentence2"), ("sentence_a", "sentence_b"), ("text_a", "text_b"),
              ("text1", "text2"), ("question1", "question2"), ("question", "sentence"), ("text", "second"))  # fmt: skip
LABEL_NAMES = ("stars", "rating", "star_rating", "polarity", "label", "sentiment", "class", "gold_label", "labels",
               "stance", "category", "intent", "target", "topic", "emotion", "gold", "tag")  # fmt: skip
_SURE_NAMES = ("label", "labels", "sentiment", "gold_label", "gold")
"""Names of labels beside which a column of a name that nobody knows is no label."""
_MOST_CLASSES, _LONGEST_LABEL = 200, 40
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
_DIGIT = re.compile("[0-9]")
_NAME = re.compile(r"[^\W\d][\w.#-]*( [\w.#-]+){0,2}")
_NAME_WORDS = 3
"""Words of a column's name, or of an author's, at most."""
_TIMES = 20
"""A second text is not so many times shorter than the first."""
ADVICE = (
    "Name the columns in their order: --data-opt columns=label,text for example (second for a pair's, _ is not read)."
)


@dataclass(frozen=True)
class TextColumns:
    """Columns' numbers from 0; `second` is None for single texts. `label_name` is empty without a header."""

    text: int
    label: int
    second: int | None = None
    label_name: str = ""
    header: bool = False
    note: str = ""

    def names(self, width: int) -> tuple[str, ...]:
        """The role of each column."""
        roles = {self.text: "text", self.label: "label"} | ({} if self.second is None else {self.second: "second"})
        return tuple(roles.get(number, "_") for number in range(width))


@dataclass(frozen=True)
class Names:
    """Names of the columns or fields of text, second text and label, and what else could be one of them."""

    text: str
    second: str | None
    label: str
    others: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Says which were taken, if others could have been."""
        if not self.others:
            return ""
        return (
            f"the text is {self.text!r} and the label {self.label!r}, not {' or '.join(map(repr, self.others))}; "
            "otherwise: --data-opt columns=text,label for example"
        )


def usual_names(names: Iterable[str]) -> Names | str:
    """The names in lower case that are used, or what is lacking: text or label."""
    given = {name.strip().strip('"').lower() for name in names}
    label = next((name for name in LABEL_NAMES if name in given), None)
    pair = next((pair for pair in PAIR_NAMES if set(pair) <= given), None)
    text = pair[0] if pair else next((name for name in TEXT_NAMES if name in given), None)
    if text is None or label is None:
        return "text" if text is None else "label"
    second = pair[1] if pair else None
    others = tuple(name for name in (*TEXT_NAMES, *LABEL_NAMES) if name in given - {text, second, label})
    return Names(text, second, label, others)


def named_columns(header: Sequence[str]) -> TextColumns | None:
    """Columns by the names in a header, or None if it names no text or no label."""
    names = [name.strip().strip('"').lower() for name in header]
    found = usual_names(names)
    if isinstance(found, str):
        return None
    second = None if found.second is None else names.index(found.second)
    return TextColumns(names.index(found.text), names.index(found.label), second, found.label, True, found.note)


def with_unknown(found: TextColumns | None, rows: Sequence[Sequence[str]]) -> TextColumns | None:
    """Columns by their names, with a note on others that hold labels, if the label's name may mean something else."""
    if found is None or found.label_name in _SURE_NAMES or len(rows) < 2:
        return found
    used = {found.text, found.second, found.label}
    usual = [row for row in rows[1:] if len(row) == len(rows[0])]
    others = [rows[0][number] for number in range(len(rows[0]))
              if number not in used and _are_labels([row[number].strip() for row in usual])]  # fmt: skip
    if not others or found.note:
        return found
    text = rows[0][found.text].strip().lower()
    return replace(found, note=Names(text, None, found.label_name, tuple(others[:3])).note)


def told_columns(path: object, told: Sequence[str], rows: Sequence[Sequence[str]]) -> TextColumns:
    """Columns as the user names them. Raises DataError if the names do not fit the first row."""
    known = {"text", "second", "label", "_"}
    roles = [name if name in known else "_" for name in told]
    width = len(rows[0]) if rows else 0
    if len(told) != width or roles.count("text") != 1 or roles.count("label") != 1 or roles.count("second") > 1:
        raise DataError(
            f"{path}: columns: received {','.join(told)}; allowed: a name for each of its {width} columns, one of "
            "them text and one label (and second for a pair's second text); _ for what is not read."
        )
    text, label = roles.index("text"), roles.index("label")
    second = roles.index("second") if "second" in roles else None
    if named_columns(rows[0]):
        return TextColumns(text, label, second, rows[0][label].strip().lower(), header=True)
    usual = [row for row in rows if len(row) == width]
    header = _is_header(usual, [text], label) or _names_columns(usual, text, label)
    note = f"the first line, {', '.join(rows[0])[:60]!r}, is read as names of columns" if header else ""
    return TextColumns(text, label, second, header=header, note=note)


def found_columns(path: object, rows: Sequence[Sequence[str]]) -> TextColumns | None:
    """Columns by what they hold: labels are few, short and repeated; texts are longer and mostly distinct.

    None if no column holds labels beside one with texts. Raises DataError if several can be either.
    """
    width = Counter(map(len, rows)).most_common(1)[0][0]
    usual = [row for row in rows if len(row) == width]
    if width < 2 or len(usual) < len(rows):
        return None
    labels, texts = [], []
    for number in range(width):
        values = [row[number].strip() for row in usual]
        if _are_labels(values[1:] if _is_name(values) else values):
            labels.append(number)
        elif _are_texts(values[1:]):
            texts.append(number)
    if not labels or not texts:
        return None
    texts, beside = _longest(usual, texts)
    if len(labels) > 1 or len(texts) > 2:
        which, columns = ("label", labels) if len(labels) > 1 else ("text", texts)
        shown = " or ".join(f"column {number + 1} ({usual[-1][number][:30]!r})" for number in columns)
        raise DataError(f"{path}: the {which} can be {shown}. {ADVICE}")
    second = texts[1] if len(texts) == 2 else None
    header = _is_header(usual, texts, labels[0])
    what = "pairs of texts" if second is not None else "texts"
    note = (
        f"column {labels[0] + 1} is read as the labels of {what}"
        + (", and the first line as names of columns" if header else ", without a header")
        + (f"; column {beside[0] + 1} of short ones is not read" if beside else "")
        + "; otherwise: --data-opt columns=text,label for example"
    )
    return TextColumns(texts[0], labels[0], second, header=header, note=note)


def _longest(rows: Sequence[Sequence[str]], texts: Sequence[int]) -> tuple[list[int], list[int]]:
    """The columns of texts, and those of names, titles or dates beside them: of a few words, where others have many."""
    words = {number: median(len(row[number].split()) for row in rows[1:]) for number in texts}
    most = max(words.values())
    kept = [number for number in texts if words[number] == most or words[number] > max(_NAME_WORDS, most / _TIMES)]
    return kept, [number for number in texts if number not in kept]


def _is_header(rows: Sequence[Sequence[str]], texts: Sequence[int], label: int) -> bool:
    """Whether the first row holds names of columns: few words where others hold texts, and one that is no label."""
    return _is_name([row[label].strip() for row in rows]) and all(
        len(rows[0][text].split()) <= _NAME_WORDS for text in texts
    )


def _names_columns(rows: Sequence[Sequence[str]], text: int, label: int) -> bool:
    """Whether a first row of words, where the others hold texts, names columns, though a class may come once."""
    first = [cell.strip() for cell in rows[0]]
    labels = Counter(row[label].strip() for row in rows)
    lengths = [len(row[text].split()) for row in rows[1:]]
    names = all(not cell or _NAME.fullmatch(cell) for cell in first) and len(set(first)) == len(first)
    return names and labels[first[label]] == 1 and bool(lengths) and median(lengths) > _NAME_WORDS


def _is_name(values: Sequence[str]) -> bool:
    """Whether the first value is a column's name: it comes once, and all others at least twice."""
    counts = Counter(values)
    rest = [count for value, count in counts.items() if value != values[0]]
    return counts[values[0]] == 1 and len(rest) > 1 and min(rest) > 1


def _are_labels(values: Sequence[str]) -> bool:
    counts = Counter(values)
    few = 1 < len(counts) <= min(_MOST_CLASSES, len(values) / 2)
    return few and all(0 < len(value) <= _LONGEST_LABEL and len(value.split()) <= 4 for value in counts)


def _are_dates(values: Sequence[str]) -> bool:
    """Whether all values have words in the same number, at least half of them with a digit."""
    words = [value.split() for value in values]
    numbers = (sum(bool(_DIGIT.search(word)) for word in one) for one in words)
    return len(set(map(len, words))) == 1 and all(2 * count >= len(words[0]) for count in numbers)


def _are_texts(values: Sequence[str]) -> bool:
    if not values or all(map(_NUMBER.fullmatch, values)) or _are_dates(values):
        return False
    return 2 * len(set(values)) > len(values) and median(len(value.split()) for value in values) > 1
