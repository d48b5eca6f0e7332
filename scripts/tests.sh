#!/usr/bin/env bash
# All that must pass: style, types, direction of imports, tests. Arguments go to pytest:
#   scripts/tests.sh tests/platform -x
set -euo pipefail
cd "$(dirname "$0")/.."
make lint
make test ARGS="$*"
