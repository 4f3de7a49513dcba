"""The Hausdorff distance of 20,000 and 20,000 vectors of 768: time beside the bare matrix products, and memory.

    python benchmarks/hausdorff.py --json benchmarks/results/hausdorff.json

Products and distance are timed in turns, medians; memory is the process's peak, vectors included.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xltransfer.analysis.distance import hausdorff, nearest
from xltransfer.training.device import peak_memory, reset_peak_memory
from xltransfer.training.run_folder import environment
from xltransfer.utils.files import write_json
from xltransfer.utils.timing import seconds_of

_ROWS = 838
"""Of a product at a time: as many as `nearest` takes of 20,000."""


def products(first: Tensor, second: Tensor, block: Tensor) -> None:
    """All inner products, in blocks that are not kept."""
    for rows in torch.split(first, _ROWS):
        torch.mm(rows, second.T, out=block[: len(rows)])


def measured(size: int, dim: int, repeats: int) -> dict[str, Any]:
    """Medians of some repeats after a first one."""
    torch.manual_seed(0)
    first, second = torch.randn(size, dim), torch.randn(size, dim) + 0.1
    block = torch.empty(_ROWS, size)
    jobs: dict[str, Callable[[], object]] = {
        "products": lambda: products(first, second, block),
        "hausdorff": lambda: hausdorff(nearest(first, second)),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats + 1):
        for name, job in jobs.items():
            times[name].append(seconds_of(job))
    found = {name: statistics.median(values[1:]) for name, values in times.items()}
    return {"vectors": size, "dim": dim, "seconds": found, "ratio": found["hausdorff"] / found["products"]}


def main() -> None:
    """Print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    reset_peak_memory()
    found = measured(arguments.size, 768, arguments.repeats)
    found["peak_memory_bytes"] = peak_memory(torch.device("cpu"))
    print(found)
    if arguments.json:
        write_json(arguments.json, {**found, "environment": environment()})


if __name__ == "__main__":
    main()
