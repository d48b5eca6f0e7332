#!/usr/bin/env bash
# Push the images of all parts: scripts/images_push.sh TAG REGISTRY
set -euo pipefail

if [ $# -ne 2 ] || [ -z "$1" ] || [ -z "$2" ]; then
    echo "usage: images_push.sh TAG REGISTRY" >&2
    exit 2
fi
for part in api server superlink client; do
    "${BUILDER:-docker}" push "${2%/}/fedloom-$part:$1"
done
