"""The contract of a registered encoder: its location and default learning rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class EncoderSource(ABC):
    """An encoder that `--encoder` can name."""

    default_lr: ClassVar[float] = 3e-5
    """Peak learning rate where the user gives none (3e-5: Xia et al. 2021, the released code)."""

    @abstractmethod
    def location(self) -> str:
        """A local folder in Hugging Face layout, or a hub name. Raises EncoderError."""
