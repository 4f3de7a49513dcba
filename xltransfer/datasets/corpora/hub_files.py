"""Find and read a corpus's parquet or JSON lines files, from a mirror, the Hub cache, or a download.

The README of a repository lists the files of a configuration under `configs:`. If it does not, files are found by
folder and name: `qu/train-00000-of-00001.parquet`, `qu/train/0000.parquet`, `json/train/dataset_en_train.json`.
"""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from xltransfer.data.readers.records import quiet_datasets
from xltransfer.datasets.corpora.table import MIRROR, Corpus
from xltransfer.errors import DataError

_SPLITS = {"train": ("train",), "dev": ("validation", "dev", "valid", "val"), "test": ("test",)}
_SUFFIXES = (".parquet", ".jsonl", ".json")
_PROBE_SECONDS = 2.0
"""Timeout of the first request, which detects a missing network: the Hub client retries for minutes."""

Files = dict[str, list[Path]]


def find_files(corpus: Corpus, mirror: Path | None, language: str) -> Files:
    """Return a language's files by split (train, dev, test). Raises DataError if they are missing or unreachable."""
    if mirror is not None:
        if not mirror.is_dir():
            raise DataError(f"data {corpus.name}: mirror={str(mirror)!r} is not a folder.")
        if files := _find(corpus, mirror, language):
            return files
        raise DataError(
            f"data {corpus.name}: {str(mirror)!r} holds no parquet or JSON lines files of {language!r}; expected "
            f"as the hub lays them out, as in {_folder(corpus, language)}/train-00000-of-00001.parquet."
        )
    if (cached := _cached_snapshot(corpus)) and (files := _find(corpus, cached, language)):
        return files
    if corpus.withdrawn:
        raise DataError(f"data {corpus.name}: it {corpus.withdrawn}")
    files = _find(corpus, _fetch(corpus, language), language)
    if not files:
        raise DataError(f"data {corpus.name}: {corpus.repository} holds no parquet files of {language!r} any more.")
    return files


def has_files(corpus: Corpus, mirror: Path | None, language: str) -> bool:
    """Whether a mirror, or else the cache, has files for exactly this configuration."""
    folder = mirror or _cached_snapshot(corpus)
    return folder is not None and folder.is_dir() and bool(_find(corpus, folder, language))


def list_configurations(corpus: Corpus, mirror: Path | None) -> list[str]:
    """List the configurations of a mirror or of the repository. Raises DataError."""
    if mirror is not None:
        found = _configurations_in(mirror) if mirror.is_dir() else []
        if not found:
            raise DataError(f"data {corpus.name}: {str(mirror)!r} holds no folder of a language.")
        return found
    cached = _cached_snapshot(corpus)
    if cached and (listed := _listed_configurations(cached)):
        return listed
    try:
        return _configurations_on_hub(corpus)
    except DataError:
        if cached and (found := _configurations_in(cached)):  # possibly incomplete, but better than an error
            return found
        raise


def read_table(corpus: Corpus, files: list[Path]) -> Any:
    """Read files as a `datasets.Dataset`, which uses its Arrow cache. Raises DataError."""
    import datasets

    kind = "parquet" if files[0].suffix == ".parquet" else "json"
    for file in files:
        _require_kind(corpus, file, kind)
    with quiet_datasets():
        try:
            return datasets.load_dataset(kind, data_files={"train": [str(file) for file in files]}, split="train")
        except Exception as error:  # pyarrow and datasets raise many kinds on damaged files
            cause = " ".join(str(error.__cause__ or error).split())[:200]
            raise DataError(f"data {corpus.name}: {files[0]} cannot be read: {cause}.") from error


def _require_kind(corpus: Corpus, file: Path, kind: str) -> None:
    """Raise DataError unless a file starts like its kind: `datasets` would unpack an archive of any name."""
    try:
        with file.open("rb") as opened:
            start = opened.read(64).lstrip()
    except OSError as error:
        raise DataError(f"data {corpus.name}: {file} cannot be read: {error.strerror}.") from error
    if not start.startswith((b"PAR1",) if kind == "parquet" else (b"{", b"[", b"\xef\xbb\xbf")):
        raise DataError(f"data {corpus.name}: {file} cannot be read: it is not a {kind} file; download it again.")


def _find(corpus: Corpus, folder: Path, language: str) -> Files:
    """Find a language's files by split: parquet if there are any, else JSON lines."""
    found = _find_listed(folder, _folder(corpus, language)) or _find_listed(folder, language)
    for place in (_folder(corpus, language), language, *corpus.extra_folders):
        if found:
            break
        found = _find_by_name(folder, place)
    parquet = {split: [f for f in files if f.suffix == ".parquet"] for split, files in found.items()}
    return {split: files for split, files in parquet.items() if files} or found


def _find_listed(folder: Path, configuration: str) -> Files:
    """Find files by the README's `configs:`."""
    found: Files = {}
    for split, pattern in _patterns(folder, configuration):
        files = sorted(file for file in folder.glob(pattern) if file.suffix in _SUFFIXES)
        name = next((ours for ours, theirs in _SPLITS.items() if split in theirs), None)
        if name and files:
            found[name] = files
    return found


def _patterns(folder: Path, configuration: str) -> list[tuple[str, str]]:
    """Return pairs of split and file pattern for a configuration in the README."""
    entries = [entry for entry in _configs(folder) if entry.get("config_name") == configuration]
    files = [item for entry in entries for item in entry.get("data_files") or [] if isinstance(item, dict)]
    pairs = [(str(item.get("split")), item.get("path")) for item in files]
    named = [(split, path) for split, paths in pairs for path in (paths if isinstance(paths, list) else [paths])]
    return [(split, str(path).lstrip("/")) for split, path in named if path and ".." not in str(path)]


def _configs(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of `configs:` in the README, or none if it is missing or invalid."""
    import yaml
    from huggingface_hub import metadata_load

    metadata = None
    if (folder / "README.md").is_file():
        with suppress(yaml.YAMLError, ValueError, UnicodeDecodeError):
            metadata = metadata_load(folder / "README.md")
    configs = (metadata or {}).get("configs") or []
    return [entry for entry in configs if isinstance(entry, dict)]


def _find_by_name(folder: Path, place: str) -> Files:
    """Find files by name. `place` is a folder in the path, or a part of the file name between underscores."""
    found: Files = {}
    for file in sorted(file for file in folder.rglob("*") if file.suffix in _SUFFIXES):
        parts = file.relative_to(folder).parts
        if place not in parts[:-1] and f"_{place}_" not in file.name:
            continue
        words = set(re.split(r"[^a-z]+", "/".join(parts).lower()))
        if split := next((ours for ours, theirs in _SPLITS.items() if words & set(theirs)), None):
            found.setdefault(split, []).append(file)
    return found


def _configurations_in(folder: Path) -> list[str]:
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    return _listed_configurations(folder) or folders


def _listed_configurations(folder: Path) -> list[str]:
    return [str(entry["config_name"]) for entry in _configs(folder) if "config_name" in entry]


def _folder(corpus: Corpus, language: str) -> str:
    return corpus.folder.format(language=language)


def _cached_snapshot(corpus: Corpus) -> Path | None:
    """Return the snapshot in the Hub cache, which may be incomplete, or None."""
    with suppress(Exception):  # no snapshot, or a name that the client rejects
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


def _configurations_on_hub(corpus: Corpus) -> list[str]:
    import huggingface_hub

    try:
        _probe()
        card = _snapshot(corpus, ["README.md"])
        if found := _listed_configurations(card):
            return found
        tree = huggingface_hub.HfApi().list_repo_tree(corpus.repository, repo_type="dataset", revision=corpus.revision)
        return sorted(entry.path for entry in tree if isinstance(entry, huggingface_hub.hf_api.RepoFolder))
    except Exception as error:
        raise _unreachable(corpus, error, []) from error


def _snapshot(corpus: Corpus, patterns: list[str] | None, local: bool = False) -> Path:
    """Return the folder of a repository's snapshot, after downloading missing files that match the patterns."""
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
    """Return the error for a failed download, with the command that downloads the corpus elsewhere."""
    from huggingface_hub import constants

    revision = "" if corpus.revision == "main" else f" --revision {corpus.revision}"
    include = "".join(f" --include {shlex.quote(pattern)}" for pattern in ["README.md", *patterns]) if patterns else ""
    reason = " ".join(str(error).split())[:160]
    return DataError(
        f"data {corpus.name}: {corpus.repository} could not be fetched ({type(error).__name__}: {reason}), "
        f"and the cache {constants.HF_HUB_CACHE} does not hold it. Offline: run 'hf download {corpus.repository} "
        f"--repo-type dataset{revision}{include} --local-dir DIR' on a connected machine, copy DIR, and pass "
        f"{MIRROR}."
    )
