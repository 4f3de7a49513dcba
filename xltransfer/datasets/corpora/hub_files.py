"""From a named corpus to the parquet or JSON lines files of a language: a mirror's, the hub cache's, or fetched.

A repository says in its README's `configs:` which files a configuration has; where it does not, files are found by
folder and name: `qu/train-00000-of-00001.parquet`, `qu/train/0000.parquet`, `json/train/dataset_en_train.json`.
"""

from __future__ import annotations

import logging
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from xltransfer.datasets.corpora.table import MIRROR, Corpus
from xltransfer.errors import DataError

_SPLITS = {"train": ("train",), "dev": ("validation", "dev", "valid", "val"), "test": ("test",)}
_SUFFIXES = (".parquet", ".jsonl", ".json")
_PROBE_SECONDS = 2.0
"""The hub client itself retries for minutes; whether there is a network at all is asked first."""

Files = dict[str, list[Path]]


def find_files(corpus: Corpus, mirror: Path | None, language: str) -> Files:
    """The files of a language by split (train, dev, test). Raises DataError: not there, and not to be fetched."""
    if mirror is not None:
        if not mirror.is_dir():
            raise DataError(f"data {corpus.name}: mirror={str(mirror)!r} is not a folder.")
        if files := _files(corpus, mirror, language):
            return files
        raise DataError(
            f"data {corpus.name}: {str(mirror)!r} holds no parquet or JSON lines files of {language!r}; expected "
            f"as the hub lays them out, as in {_folder(corpus, language)}/train-00000-of-00001.parquet."
        )
    if (cached := _cached(corpus)) and (files := _files(corpus, cached, language)):
        return files
    if corpus.withdrawn:
        raise DataError(f"data {corpus.name}: it {corpus.withdrawn}")
    files = _files(corpus, _fetch(corpus, language), language)
    if not files:
        raise DataError(f"data {corpus.name}: {corpus.repository} holds no parquet files of {language!r} any more.")
    return files


def has_files(corpus: Corpus, mirror: Path | None, language: str) -> bool:
    """Whether a mirror, or the cache where there is none, has files under a configuration's very name."""
    folder = mirror or _cached(corpus)
    return folder is not None and folder.is_dir() and bool(_files(corpus, folder, language))


def list_configurations(corpus: Corpus, mirror: Path | None) -> list[str]:
    """The configurations that a mirror or the repository has. Raises DataError."""
    if mirror is not None:
        found = _names_in(mirror) if mirror.is_dir() else []
        if not found:
            raise DataError(f"data {corpus.name}: {str(mirror)!r} holds no folder of a language.")
        return found
    cached = _cached(corpus)
    if cached and (listed := _listed_names(cached)):
        return listed
    try:
        return _names_on_hub(corpus)
    except DataError:
        if cached and (found := _names_in(cached)):  # some of them, which is better than none
            return found
        raise


def read_table(corpus: Corpus, files: list[Path]) -> Any:
    """The rows of files as a `datasets.Dataset`, through its Arrow cache. Raises DataError."""
    import datasets

    kind = "parquet" if files[0].suffix == ".parquet" else "json"
    for file in files:
        _require_kind(corpus, file, kind)
    bars, level = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # what it logs is in the error it raises
    try:
        return datasets.load_dataset(kind, data_files={"train": [str(file) for file in files]}, split="train")
    except Exception as error:  # pyarrow and datasets raise many kinds on damaged files
        cause = " ".join(str(error.__cause__ or error).split())[:200]
        raise DataError(f"data {corpus.name}: {files[0]} cannot be read: {cause}.") from error
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()


def _require_kind(corpus: Corpus, file: Path, kind: str) -> None:
    """Raises DataError unless a file begins as its kind does: `datasets` unpacks archives, whatever they are called."""
    try:
        with file.open("rb") as opened:
            start = opened.read(64).lstrip()
    except OSError as error:
        raise DataError(f"data {corpus.name}: {file} cannot be read: {error.strerror}.") from error
    if not start.startswith((b"PAR1",) if kind == "parquet" else (b"{", b"[", b"\xef\xbb\xbf")):
        raise DataError(f"data {corpus.name}: {file} cannot be read: it is no {kind} file; fetch it again.")


def _files(corpus: Corpus, folder: Path, language: str) -> Files:
    """Parquet where there is any, else JSON lines."""
    found = _listed(folder, _folder(corpus, language)) or _listed(folder, language)
    for place in (_folder(corpus, language), language, *corpus.also):
        if found:
            break
        found = _by_name(folder, place)
    parquet = {split: [f for f in files if f.suffix == ".parquet"] for split, files in found.items()}
    return {split: files for split, files in parquet.items() if files} or found


def _listed(folder: Path, configuration: str) -> Files:
    """By the README's `configs:`."""
    found: Files = {}
    for split, pattern in _patterns(folder, configuration):
        files = sorted(file for file in folder.glob(pattern) if file.suffix in _SUFFIXES)
        name = next((ours for ours, theirs in _SPLITS.items() if split in theirs), None)
        if name and files:
            found[name] = files
    return found


def _patterns(folder: Path, configuration: str) -> list[tuple[str, str]]:
    """Split and file pattern of a configuration in the README."""
    entries = [entry for entry in _configs(folder) if entry.get("config_name") == configuration]
    files = [item for entry in entries for item in entry.get("data_files") or [] if isinstance(item, dict)]
    pairs = [(str(item.get("split")), item.get("path")) for item in files]
    named = [(split, path) for split, paths in pairs for path in (paths if isinstance(paths, list) else [paths])]
    return [(split, str(path).lstrip("/")) for split, path in named if path and ".." not in str(path)]


def _configs(folder: Path) -> list[dict[str, Any]]:
    import yaml
    from huggingface_hub import metadata_load

    metadata = None
    if (folder / "README.md").is_file():
        with suppress(yaml.YAMLError, ValueError, UnicodeDecodeError):
            metadata = metadata_load(folder / "README.md")
    configs = (metadata or {}).get("configs") or []
    return [entry for entry in configs if isinstance(entry, dict)]


def _by_name(folder: Path, place: str) -> Files:
    """By folder and file name; `place` is a folder on the path, or stands between underscores in the file's name."""
    found: Files = {}
    for file in sorted(file for file in folder.rglob("*") if file.suffix in _SUFFIXES):
        parts = file.relative_to(folder).parts
        if place not in parts[:-1] and f"_{place}_" not in file.name:
            continue
        words = set(re.split(r"[^a-z]+", "/".join(parts).lower()))
        if split := next((ours for ours, theirs in _SPLITS.items() if words & set(theirs)), None):
            found.setdefault(split, []).append(file)
    return found


def _names_in(folder: Path) -> list[str]:
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    return _listed_names(folder) or folders


def _listed_names(folder: Path) -> list[str]:
    return [str(entry["config_name"]) for entry in _configs(folder) if "config_name" in entry]


def _folder(corpus: Corpus, language: str) -> str:
    return corpus.folder.format(language=language)


def _cached(corpus: Corpus) -> Path | None:
    """The snapshot in the hub cache, which may hold some languages only."""
    with suppress(Exception):  # no snapshot, or a name that the client refuses
        return _snapshot(corpus, None, local=True)
    return None


def _fetch(corpus: Corpus, language: str) -> Path:
    folder = _folder(corpus, language)
    wanted = [f"{folder}/*"]
    try:
        _probe()
        wanted += [pattern for _, pattern in _patterns(_snapshot(corpus, ["README.md"]), folder)]
        return _snapshot(corpus, wanted)
    except Exception as error:  # network, authentication, withdrawn repository
        raise _unreachable(corpus, error, wanted) from error


def _names_on_hub(corpus: Corpus) -> list[str]:
    import huggingface_hub

    try:
        _probe()
        card = _snapshot(corpus, ["README.md"])
        if found := _listed_names(card):
            return found
        tree = huggingface_hub.HfApi().list_repo_tree(corpus.repository, repo_type="dataset", revision=corpus.revision)
        return sorted(entry.path for entry in tree if isinstance(entry, huggingface_hub.hf_api.RepoFolder))
    except Exception as error:
        raise _unreachable(corpus, error, []) from error


def _snapshot(corpus: Corpus, patterns: list[str] | None, local: bool = False) -> Path:
    """The folder of a repository's snapshot; of its files, those that match the patterns are fetched if not there."""
    import huggingface_hub

    return Path(
        huggingface_hub.snapshot_download(
            corpus.repository, repo_type="dataset", revision=corpus.revision, allow_patterns=patterns,
            local_files_only=local,
        )
    )  # fmt: skip


def _probe() -> None:
    from huggingface_hub import constants, get_session

    get_session().head(constants.ENDPOINT, timeout=_PROBE_SECONDS)


def _unreachable(corpus: Corpus, error: Exception, patterns: list[str]) -> DataError:
    from huggingface_hub import constants

    revision = "" if corpus.revision == "main" else f" --revision {corpus.revision}"
    include = "".join(f" --include {shlex.quote(pattern)}" for pattern in ["README.md", *patterns]) if patterns else ""
    told = " ".join(str(error).split())[:160]
    return DataError(
        f"data {corpus.name}: {corpus.repository} could not be fetched from the hub ({type(error).__name__}: {told}), "
        f"and the cache {constants.HF_HUB_CACHE} does not hold it. Offline: run 'hf download {corpus.repository} "
        f"--repo-type dataset{revision}{include} --local-dir DIR' on a connected machine, copy DIR, and pass "
        f"{MIRROR}."
    )
