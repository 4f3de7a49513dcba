"""The contract of a registered encoder: a name for a folder or hub model, and what suits it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class EncoderSource(ABC):
    """Something `--encoder` can name."""

    default_lr: ClassVar[float] = 3e-5
    """Peak learning rate where the user gives none (3e-5: Xia et al. 2021, the released code)."""

    @abstractmethod
    def location(self) -> str:
        """A local folder in Hugging Face layout, or a hub name. Raises EncoderError."""
