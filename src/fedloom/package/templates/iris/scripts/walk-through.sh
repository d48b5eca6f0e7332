#!/usr/bin/env bash
# Runs every entry point once, packs the package, and lets three clients train together.
set -euo pipefail
cd "$(dirname "$0")/.."

fedloom run build --path client
fedloom run startup --path client
fedloom run train --path client --input seed.npz --output model_update.npz
fedloom run validate --path client --input model_update.npz --output validation.json
fedloom package create --path client
fedloom generate --package client --clients 3 --rounds 5
