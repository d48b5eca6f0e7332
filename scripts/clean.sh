#!/usr/bin/env bash
# Remove the environment, caches and build results. .env, outputs/ and the volumes of docker compose stay.
set -euo pipefail
cd "$(dirname "$0")/.."
make clean
