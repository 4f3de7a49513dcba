"""The learner: a Hugging Face encoder with its task head (θ), and the layers at which an RTN (φ) may act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from xltransfer.encoders.insertion import Change, inserted
from xltransfer.encoders.layouts import layout_for


class Learner(nn.Module):
    """Encoder and head. Without an RTN it is the plain model; that is the target pass and all evaluation."""

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.layers = tuple(layers)
        self.layout = layout_for(model.config.model_type)

    def forward(self, inputs: Mapping[str, Tensor], rtn: Change | None = None) -> Tensor:
        """Logits, (batch, time, labels) or (batch, labels).

        `inputs` are the tokenizer's tensors, (batch, time) each. With `rtn` (a source pass) its change is added to
        the hidden states at the insertion layers.
        """
        if rtn is None:
            return self._logits(inputs)
        with inserted(self.model.base_model, self.layout, self.layers, rtn, inputs["attention_mask"]):
            return self._logits(inputs)

    def _logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**inputs, return_dict=True).logits
        return logits
