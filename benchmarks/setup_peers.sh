#!/bin/sh
# Makes .venv-peers: Flower with Ray, pfl and PyTorch, apart from Fedloom's own environment.
# Needs about 2.5 GB of disk (more where PyTorch comes with CUDA) and Python 3.11 or 3.12.
# Does nothing where the environment is complete; PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")/.."
constraints=benchmarks/constraints-peers.txt
stamp=.venv-peers/.complete

if [ -f "$stamp" ] && cmp -s "$stamp" "$constraints"; then
    exit 0
fi
echo "making .venv-peers (about 2.5 GB, several minutes)" >&2
rm -rf .venv-peers
"${PYTHON:-python3}" -m venv .venv-peers
pip() { .venv-peers/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
# PyTorch first and alone: what comes after must find it and not bring another.
pip install --constraint "$constraints" torch
pip install --constraint "$constraints" "flwr[simulation]" "pfl[pytorch]" psutil
cp "$constraints" "$stamp"
