"""Tests of the plugins run one process a core."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
