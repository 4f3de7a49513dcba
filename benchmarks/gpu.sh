#!/usr/bin/env bash
# The table of the GPU's meta-step, in at most eight minutes (MINUTES), into benchmarks/results/gpu.json (RESULTS).
# Needs torch with CUDA, transformers and this package's other requirements; learn2learn, higher and TorchOpt are left
# out, and named, if they are not there. Nothing is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${RESULTS:-benchmarks/results}
mkdir -p "$results"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-.venv/bin/python}" benchmarks/gpu.py "$results/gpu.json" --minutes "${MINUTES:-8}" "$@"
