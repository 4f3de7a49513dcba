"""Cache of encoded sentences on disk, in Arrow files, so that the same data are encoded only once.

The key is a digest of everything that affects the encoding: tokenizer, task and its options, labels, maximum length,
and the words and tags of every sentence. Unreadable files are ignored, and so is a cache that cannot be written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xltransfer.data.batching import Encoded
from xltransfer.data.examples import Example, TaggedSentence
from xltransfer.utils.cache import cache_folder, keep
from xltransfer.utils.version import __version__

FOLDER = "encoded"


def load_or_encode(key: str, encode: Callable[[], list[Encoded]]) -> list[Encoded]:
    """Return the encodings cached under `key`, or call `encode` and cache its result."""
    file = cache_folder() / FOLDER / f"{key}.arrow"
    found = _read(file)
    if found is None:
        found = encode()
        _write(file, found)
    return found


def cache_key(examples: Sequence[Example], tokenizer: Any, *settings: object) -> str:
    """Return a digest of the sentences, the tokenizer and `settings`."""
    digest = hashlib.sha256(repr((__version__, type(tokenizer).__name__, settings)).encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    for example in examples:
        digest.update(repr(_content(example)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _content(example: Example) -> tuple[object, object]:
    return (example.words, example.tags) if isinstance(example, TaggedSentence) else (example.shown, example.label)


def _write(file: Path, encoded: Sequence[Encoded]) -> None:
    """Write encodings as Feather (Arrow) file, with a column for each feature."""
    import pyarrow
    from pyarrow import feather

    if not encoded:
        return
    columns: dict[str, list[Any]] = {
        f"feature {name}": [one.features[name] for one in encoded] for name in encoded[0].features
    }
    columns["labels"] = [one.labels for one in encoded]
    columns["words"] = [list(one.words) for one in encoded]
    columns["continues"] = [one.continues for one in encoded]
    table = pyarrow.table(columns)
    keep(file, lambda opened: feather.write_feather(table, opened, compression="uncompressed"))


def _read(file: Path) -> list[Encoded] | None:
    """Read encodings, or return None if the file is missing or damaged."""
    try:
        if not file.is_file():
            return None
    except (OSError, ValueError):  # a name that cannot be
        return None
    import pyarrow
    from pyarrow import feather

    try:
        columns = feather.read_table(file).to_pydict()
        names = [name.removeprefix("feature ") for name in columns if name.startswith("feature ")]
        features = [columns[f"feature {name}"] for name in names]
        return [
            Encoded(dict(zip(names, row, strict=True)), labels, tuple(words), continues=continues)
            for *row, labels, words, continues in zip(
                *features, columns["labels"], columns["words"], columns["continues"], strict=True
            )
        ]
    except (OSError, KeyError, ValueError, pyarrow.ArrowException):
        return None
