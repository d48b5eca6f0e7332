#!/usr/bin/env bash
# Build the images of all parts, or remove them.
#
#   scripts/images_build.sh build TAG REGISTRY     REGISTRY/fedloom-api:TAG and so on
#   scripts/images_build.sh clean TAG REGISTRY
#
# BUILDER chooses another program than docker: podman, nerdctl. PYTHON_IMAGE names another base.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: images_build.sh build|clean TAG REGISTRY" >&2
    exit 2
}

[ $# -eq 3 ] || usage
action=$1 tag=$2 registry=${3%/}
if [ -z "$tag" ] || [ -z "$registry" ]; then usage; fi
builder=${BUILDER:-docker}
options=()
[ -z "${PYTHON_IMAGE:-}" ] || options+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE")

for part in api server superlink client; do
    image=$registry/fedloom-$part:$tag
    case $action in
    build)
        "$builder" build --target "$part" --tag "$image" "${options[@]}" .
        echo "built $image"
        ;;
    clean)
        # One that is not there is as good as removed.
        if "$builder" image inspect "$image" >/dev/null 2>&1; then
            "$builder" image rm "$image" >/dev/null
            echo "removed $image"
        fi
        ;;
    *) usage ;;
    esac
done
