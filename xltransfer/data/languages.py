"""Resolve names of languages: ISO 639-1 and 639-3 codes, English names, and the codes of corpora.

Each dataset has its own spelling (`swa`, `sw`, `swh_Latn`, `mt_mudt`, `zh-yue`); users may give any of them.
`langcodes` interprets the codes; this module only adds those that corpora invented.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache

from xltransfer.errors import DataError

_OWN_CODES = {
    "als": "gsw",  # used by Wikipedia and so by WikiAnn; in ISO 639-3, als is Tosk Albanian
    "bat-smg": "sgs",
    "be-x-old": "be-tarask",
    "cbk-zam": "cbk",
    "fiu-vro": "vro",
    "roa-rup": "rup",
    "simple": "en-simple",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "zh-yue": "yue",
}
_MAX_LISTED = 24


def resolve(received: str, names: Iterable[str], what: str) -> str:
    """Return the name in a dataset's `names` that denotes the language `received`.

    `what` names the dataset in messages. Raises DataError if no name matches, with suggestions, or if several do.
    """
    names = list(names)
    found = matches(received, names)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{what}: language {received!r} is ambiguous: {', '.join(sorted(found))}. Choose one.")
    raise DataError(f"{what}: no language {received!r}; {_listed(names)}{_suggestion(received, names)}")


def matches(received: str, names: Iterable[str]) -> list[str]:
    """Return the names that denote a language: by spelling, else by tag, else by language, else by macrolanguage."""
    names = list(names)
    same = [name for name in names if name == received] or [n for n in names if n.lower() == received.lower()]
    if same:
        return same
    for level in range(3):
        wanted = _keys(received)[level]
        found = [name for name in names if wanted and _keys(name)[level] == wanted]
        if found:
            return found
    return []


def english_name(name: str) -> str:
    """Return the English name of a language, or the given name if langcodes does not know it."""
    from langcodes import Language

    tag, language, _ = _keys(name)
    return Language.get(language).display_name() if tag and language else name


def language_code(name: str) -> str:
    """Return the language code without script and region, as in HTML's `lang`; empty if unknown."""
    return _keys(name)[1]


@cache
def _keys(name: str) -> tuple[str, str, str]:
    """Return the tag with script and region, the language, and the macrolanguage; empty strings if unknown."""
    from langcodes import Language, standardize_tag

    tag = _tag(name)
    if not tag:
        return "", "", ""
    language = Language.get(tag).language or ""
    macro = standardize_tag(language, macro=True) if language else ""
    return tag, language, macro.split("-")[0]


def _tag(name: str) -> str:
    """Return the standardised BCP 47 tag of a code or English name, or an empty string."""
    from langcodes import find, standardize_tag, tag_is_valid
    from langcodes.tag_parser import LanguageTagError

    plain = name.rsplit("/", 1)[-1].strip().lower().replace("_", "-").removeprefix("ud-")
    if plain in _OWN_CODES:
        return _OWN_CODES[plain]
    first, _, rest = plain.partition("-")
    if len(first) in (2, 3) and tag_is_valid(first):
        try:
            return standardize_tag(plain)
        except LanguageTagError:  # the rest is neither script nor region, but the name of a treebank
            return f"{standardize_tag(first)}-{rest}"
    # the last part may be no name: UD_Old_French-ALTM
    for words in (plain.replace("-", " "), " ".join(plain.split("-")[:-1])):
        try:
            return find(words).to_tag() if words else ""
        except LookupError:
            continue
    return ""


def _listed(names: list[str]) -> str:
    if len(names) > _MAX_LISTED:
        return f"it has {len(names)} (xlt data ls -v lists them)."
    return f"allowed: {', '.join(sorted(names)) or 'none'}."


def _suggestion(received: str, names: list[str]) -> str:
    """Suggest names with a similar code or English name."""
    display_value = {english_name(name).lower(): name for name in names}
    near = difflib.get_close_matches(received.lower(), [*names, *display_value], n=2, cutoff=0.6)
    codes = list(dict.fromkeys(display_value.get(name, name) for name in near))
    return f" Did you mean {' or '.join(f'{code!r} ({english_name(code)})' for code in codes)}?" if codes else ""
