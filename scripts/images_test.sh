#!/usr/bin/env bash
# Try the images: each by itself as it will run, then all of them together, until a task has ended well.
#
#   scripts/images_test.sh [TAG] [REGISTRY]      of images that images_build.sh built; dev localhost
#
# It uses a project and volumes of its own and removes them. Needs Docker with compose 2.23 or newer, and
# curl.
set -euo pipefail
cd "$(dirname "$0")/.."

export FEDLOOM_TAG=${1:-dev} FEDLOOM_REGISTRY=${2:-localhost}
export API_PORT=${API_PORT:-18000} GATEWAY_PORT=${GATEWAY_PORT:-19092}
project=fedloom-images-test
folder=$(mktemp -d)
compose=(docker compose --project-name "$project" --env-file "$folder/.env")

# shellcheck disable=SC2317,SC2329  # called by the trap
finish() {
    status=$?
    if [ "$status" -ne 0 ] && [ -e "$folder/.env" ]; then
        "${compose[@]}" ps --all || true
        "${compose[@]}" logs --tail 50 || true
    fi
    [ ! -e "$folder/.env" ] || "${compose[@]}" down --volumes --timeout 10 || true
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT

echo "== each image by itself"
for part in api server superlink client; do
    image=$FEDLOOM_REGISTRY/fedloom-$part:$FEDLOOM_TAG
    run=(docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --network none)
    "${run[@]}" "$image" fedloom --version
    user=$("${run[@]}" "$image" id -u)
    [ "$user" = 10001 ] || {
        echo "$image runs as user $user, not 10001" >&2
        exit 1
    }
done

echo "== all together"
ENV_FILE=$folder/.env scripts/generate_envs.sh --env-only
"${compose[@]}" up --detach --wait --wait-timeout 300
token=$(sed -n 's/^FEDLOOM_ADMIN_TOKEN=//p' "$folder/.env")
api=http://127.0.0.1:$API_PORT

call() {
    curl --silent --show-error --fail-with-body --max-time 60 --header "Authorization: Bearer $token" "$@"
}

# The package lies in the image, so what is pushed is what the demo nodes allow.
"${compose[@]}" exec --no-TTY --env FEDLOOM_TOKEN="$token" api \
    python -c 'from fedloom.platform.demo import demo_package; print(demo_package())' >"$folder/package"
"${compose[@]}" exec --no-TTY --env FEDLOOM_TOKEN="$token" --env FEDLOOM_URL=http://127.0.0.1:8000 api \
    fedloom package push "$(cat "$folder/package")" --name iris
call --json '{"user_id": "1", "use_case": "iris", "model_name": "iris", "model_version": 1,
    "num_global_iterations": 4, "run_name": "images", "experiment_name": "Default"}' \
    "$api/tasks/" >"$folder/task.json"
task=$(sed 's/.*"id": *\([0-9]*\).*/\1/' "$folder/task.json")
for _ in $(seq 120); do
    answer=$(call "$api/tasks/$task")
    case $answer in
    *'"status":"success"'*)
        echo "task $task ended well"
        exit 0
        ;;
    *'"status":"failed"'* | *'"status":"cancelled"'*) break ;;
    esac
    sleep 1
done
echo "task $task did not end well: $answer" >&2
exit 1
