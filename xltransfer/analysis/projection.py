"""Project sentence vectors to two dimensions: one map per layer, shared by all sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xltransfer.errors import ConfigError, unknown

PROJECTIONS = ("pca", "tsne", "umap")
Points = NDArray[np.float64]


def check(name: str) -> None:
    """Raise ConfigError for an unknown projection, or one whose library is not installed."""
    if name not in PROJECTIONS:
        raise ConfigError([unknown("projection", name, PROJECTIONS)])
    if name == "umap":
        try:
            import umap  # noqa: F401
        except ImportError as error:
            raise ConfigError([f"projection: umap needs the package umap-learn, which cannot be imported ({error}). "
                               "Run: pip install umap-learn; or take pca or tsne."]) from error  # fmt: skip


def project(
    name: str, sets: Mapping[str, Tensor], fitted: Sequence[str], seed: int = 0
) -> tuple[dict[str, Points], list[float] | None]:
    """Project each set to two coordinates; also returns the explained shares of variance (pca only).

    pca is fitted on the sets named in `fitted` and applied to all; the others fit all sets together. The largest
    coordinate is 1.
    """
    vectors = {key: part.double().numpy() for key, part in sets.items()}
    together = np.concatenate(list(vectors.values()))
    explained = None
    if name == "pca":
        from sklearn.decomposition import PCA

        model = PCA(2, svd_solver="full").fit(np.concatenate([vectors[key] for key in fitted]))
        placed, explained = model.transform(together), [float(share) for share in model.explained_variance_ratio_]
    else:
        placed = _model(name, len(together), seed).fit_transform(together)
    placed = placed / max(float(np.abs(placed).max()), np.finfo(float).tiny)
    ends = np.cumsum([len(part) for part in vectors.values()])[:-1]
    return dict(zip(vectors, np.split(placed, ends), strict=True)), explained


def _model(name: str, count: int, seed: int) -> Any:
    if name == "tsne":
        from sklearn.manifold import TSNE

        return TSNE(2, random_state=seed, init="pca", perplexity=min(30.0, max(1.0, (count - 1) / 3)))
    import umap

    return umap.UMAP(n_components=2, random_state=seed, n_jobs=1, n_neighbors=min(15, max(2, count - 1)))


def choose_rows(count: int, most: int, seed: int = 0) -> list[int]:
    """Choose at most `most` of `count` rows at random, in order."""
    if count <= most:
        return list(range(count))
    return sorted(torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most].tolist())
