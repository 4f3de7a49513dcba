#!/usr/bin/env bash
# The tables and pictures of cost at XLM-R base's size, into benchmarks/results: `cpu` or `gpu`, and what to make
# (steps, sweeps, epoch; all without a word). Takes up to an hour and a half on two cores. The steps of a GPU: gpu.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:?cpu or gpu}
parts=${2:-steps sweeps epoch}
python=${PYTHON:-.venv/bin/python}
results=${RESULTS:-benchmarks/results}
mkdir -p "$results"

bench() {  # file, options
    rm -f "$results/$1.json"
    "$python" -m xltransfer bench --encoder random:xlm-roberta-base --json "$results/$1.json" "${@:2}"
}

ours=(--backend func --backend fd --backend fd:scheme=one-sided)
peers=(--backend higher-plain --backend learn2learn-plain --backend torchopt-plain)

if [[ $parts == *steps* && $device == cpu ]]; then
    half=(--backend joint@bf16 --backend func@bf16 --backend fd@bf16)
    bench cpu-layer2 --layer 2 --backend released "${ours[@]}" --backend func@bf16 --memory --error
    bench cpu-layer6 --layer 6 --backend released "${ours[@]}" --backend func@bf16 --memory --error
    bench cpu-layer12 --layer 12 --backend released "${ours[@]}" "${peers[@]}" "${half[@]}" --memory --error
fi
if [[ $parts == *sweeps* ]]; then
    sweep() {  # name, values, options
        bench "$device-over-$1" --over "$1=$2" --plot "$results/$device-over-$1.svg" --backend func --repeats 3 "${@:3}"
    }
    sweep batch-size 4,8,16 --layer 6
    sweep layer 2,4,6,8,10,12
    sweep vocabulary 50000,150000,250002 --layer 6
    sweep length 16,32,64 --layer 6
    sweep encoder random:multilingual-minilm,random:xlm-roberta-base --layer 6
fi
if [[ $parts == *epoch* ]]; then
    rm -f "$results/$device-epoch.json"
    "$python" benchmarks/epoch.py "$results/$device-epoch.json"
fi
