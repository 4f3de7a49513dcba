"""One RTN for each source language; a batch may mix languages, each row goes through its own.

(The released code has the option, but merges all sources into one: only one network is ever trained.)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.nested import Nested, build_inner


class PerLanguage(Nested):
    """`networks` are in the order of the run's sources."""

    def __init__(self, networks: list[RTN]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._languages: Tensor | None = None

    @classmethod
    def build(
        cls,
        info: RTNInfo,
        *,
        inner: Annotated[str, "the kind of RTN; its own options are given as inner.NAME=VALUE"] = "mlp",
        **inner_options: Any,
    ) -> RTN:
        return cls([build_inner(info, inner, inner_options) for _ in info.sources])

    def for_batch(self, languages: Tensor) -> RTN:
        """The same networks, bound to the rows of a batch."""
        bound = copy.copy(self)
        bound._languages = languages
        return bound

    def gate_values(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        assert self._languages is not None
        found: list[Tensor] = []
        for row, language in enumerate(self._languages.tolist()):
            network: RTN = self.networks[language]
            own = network.gate_values(hidden[row : row + 1], mask[row : row + 1], layer)
            if own is None:
                return None
            found.append(own)
        return torch.cat(found)

    @property
    def weighs(self) -> bool:
        return any(network.weighs for network in self.networks)

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor | None:
        """Each row's by the network of its language; see `RTN.weights`."""
        found = torch.ones_like(losses)
        for index, rows in self._rows(losses.device):
            network: RTN = self.networks[index]  # type: ignore[assignment]
            part = network.weights(losses[rows], labelled[rows], hidden[rows], mask[rows], layer)
            if part is None:
                return None
            found = found.to(part.dtype).index_copy(0, rows, part)
        return found

    def _rows(self, device: torch.device) -> Iterator[tuple[int, Tensor]]:
        """The rows of each language that the batch has."""
        if self._languages is None:
            raise RuntimeError("per-language: which row is of which language is not known; call for_batch first.")
        for index in range(len(self.networks)):
            (rows,) = (self._languages == index).nonzero(as_tuple=True)
            if len(rows):
                yield index, rows.to(device, non_blocking=True)

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        """Each row's change by the network of its language, shape (batch, time, dim)."""
        change = hidden.new_zeros(hidden.shape)
        for index, rows in self._rows(hidden.device):
            part = self.networks[index](hidden[rows], mask[rows], layer)
            change = change.to(part.dtype).index_copy(0, rows, part)
        return change
