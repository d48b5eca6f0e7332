#!/usr/bin/env bash
# Make what a fresh checkout needs: the virtual environment, and .env with secrets made up for it. What
# is there stays; run it again whenever you like.
#
#   scripts/generate_envs.sh [install]     both; --env-only leaves the environment out
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-install} in
install | --env-only) ;;
*)
    echo "usage: generate_envs.sh [install | --env-only]" >&2
    exit 2
    ;;
esac

# Letters and digits only: they stand in addresses.
random() {
    local length=$1 text=
    while [ ${#text} -lt "$length" ]; do
        text+=$(head -c 256 /dev/urandom | tr -dc 'A-Za-z0-9')
    done
    echo "${text:0:length}"
}

env_file=${ENV_FILE:-.env}
if [ -e "$env_file" ]; then
    echo "$env_file is there; it stays as it is"
else
    umask 077
    part=$env_file.part.$$
    trap 'rm -f "$part"' EXIT
    while IFS= read -r line; do
        case $line in
        POSTGRES_PASSWORD= | RABBIT_PASSWORD=) line+=$(random 32) ;;
        SUPERLINK_SECRET=) line+=$(random 48) ;;
        FEDLOOM_ADMIN_TOKEN=) line+=flm_$(random 43) ;;
        esac
        printf '%s\n' "$line"
    done <templates/dot_env >"$part"
    mv "$part" "$env_file"
    echo "wrote $env_file with new secrets; it is readable for you alone"
fi

if [ "${1:-install}" = install ]; then
    make .venv/.stamp-dev
    echo "the environment is in .venv: source .venv/bin/activate"
fi
