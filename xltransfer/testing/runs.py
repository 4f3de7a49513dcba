"""Read what two runs of one configuration must have in common."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from xltransfer.training.run import VARYING_METRICS

_OF_ONE_RUN = ("config.yaml", "environment.json")
"""They name the folder and the machine."""


def outcome(run_dir: Path) -> dict[str, bytes]:
    """Read every file of a finished run, by path, without time and memory; of weights their SHA-256.

    A difference is then short enough to be shown.
    """
    files = {str(path.relative_to(run_dir)): path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    files |= {name: hashlib.sha256(content).hexdigest().encode()
              for name, content in files.items() if name.endswith(".safetensors")}  # fmt: skip
    metrics = json.loads(files["metrics.json"])
    files["metrics.json"] = json.dumps(
        {name: metrics[name] for name in metrics if name not in VARYING_METRICS}
    ).encode()
    files["log.jsonl"] = log_of(run_dir).encode()
    return {name: content for name, content in files.items() if name not in _OF_ONE_RUN}


def log_of(run_dir: Path) -> str:
    """Read log.jsonl without the time of each step."""
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return "".join(json.dumps({name: line[name] for name in line if name != "seconds"}) + "\n" for line in lines)
