"""Write files and folders atomically, without following links out of their folder.

No link is followed out of the folder that something belongs to, and what is written has the permissions of the umask.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xltransfer.errors import ConfigError

UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that a string can hold and a text file cannot: NUL and lone surrogates."""


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8 atomically; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, by renaming. A link in its place is replaced, not followed."""
    partial = _partial(path)
    try:
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            file.write(content)
        sync(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def require_writable(file: Path) -> None:
    """Raise OSError if a file could not be written now; for a command that has much to do before it writes."""
    partial = _partial(file)
    try:
        partial.open("x").close()
    finally:
        with suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Context with an empty folder to fill, renamed to `path` at the end, replacing it.

    Raises ConfigError if `path` is a link: what it leads to is not this program's to replace.
    """
    partial = _partial(path)
    refuse_link(path)
    refuse_link(partial)
    _remove(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
        _respect_umask(partial)
        for file in sorted(partial.rglob("*")):
            sync(file)
        sync(partial)
        refuse_link(path)
        _remove(path)
        os.rename(partial, path)
        sync(path.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def refuse_link(path: Path) -> None:
    """Raise ConfigError if this is a link."""
    if path.is_symlink():
        raise ConfigError([
            f"{str(path)!r} is a link to {os.readlink(path)!r}, which is not followed. Put the files themselves there, "
            "for example with cp -rL."
        ])  # fmt: skip


def refuse_link_out(folder: Path, name: str) -> None:
    """Raise ConfigError if `folder/name` is a link out of the folder."""
    if _leads_out(folder / name, folder):
        refuse_link(folder / name)


def refuse_escaping_links(folder: Path) -> None:
    """Raise ConfigError if anything below a folder is a link out of it."""
    for path in sorted(folder.rglob("*")):
        if _leads_out(path, folder):
            refuse_link(path)


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _respect_umask(folder: Path) -> None:
    """Apply the umask to the files of a new folder; safetensors makes them private."""
    wished = folder.stat().st_mode & 0o666
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(wished)
