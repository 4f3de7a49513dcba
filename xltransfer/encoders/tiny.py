"""The embedded default: a transformer of a few layers, pretrained on the synthetic languages (see pretraining.py)."""

from __future__ import annotations

from pathlib import Path

from xltransfer.encoders.source import EncoderSource
from xltransfer.errors import EncoderError


class Tiny(EncoderSource):
    """Ships inside the package; needs no network."""

    default_lr = 1e-3
    folder = Path(__file__).parent / "tiny_weights"

    def location(self) -> str:
        if not (self.folder / "model.safetensors").is_file():
            raise EncoderError(
                f"encoder 'tiny': its weights are not in {self.folder}. Reinstall the package, or make them with: "
                "python -m xltransfer.encoders.pretraining"
            )
        return str(self.folder)
