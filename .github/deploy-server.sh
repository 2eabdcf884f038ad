#!/usr/bin/env bash
# Put an image onto a server that has docker compose and an `.env` (make up makes one), over SSH: copy the files of compose,
# start, wait until all is healthy, else go back to the image before. docs/delivery.md explains the variables.
set -euo pipefail

for name in AIRFLOW_IMAGE EC2_HOST EC2_USER EC2_HOST_KEY EC2_SSH_KEY; do
  if [[ -z "${!name:-}" ]]; then
    echo "$name is missing: set it in the GitHub environment 'server', see docs/delivery.md" >&2
    exit 1
  fi
done
if [[ ! "$AIRFLOW_IMAGE" =~ ^[a-z0-9./_:-]+@sha256:[0-9a-f]{64}$ ]]; then
  echo "image '$AIRFLOW_IMAGE' is not named by its digest: use ghcr.io/owner/repository@sha256:..., as the image workflow says" >&2
  exit 1
fi
folder="${EC2_FOLDER:-energy-ingest}"
if [[ ! "$folder" =~ ^[A-Za-z0-9._/-]+$ ]]; then
  echo "EC2_FOLDER '$folder' may have letters, digits, and . _ / - only" >&2
  exit 1
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
private="$(mktemp -d)"
trap 'rm -rf "$private"' EXIT
(umask 077 && printf '%s\n' "$EC2_SSH_KEY" > "$private/key")
printf '%s\n' "$EC2_HOST_KEY" > "$private/known_hosts" # a whole line of ssh-keyscan: who else answers is refused
on_server=(
  ssh -i "$private/key" -p "${EC2_PORT:-22}" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=20
  -o "UserKnownHostsFile=$private/known_hosts" -o StrictHostKeyChecking=yes "$EC2_USER@$EC2_HOST"
)

tar -cz docker-compose.yaml include | "${on_server[@]}" "mkdir -p '$folder' && tar -xz -C '$folder'"
"${on_server[@]}" "bash -s -- '$folder' '$AIRFLOW_IMAGE'" <<'REMOTE'
set -euo pipefail
cd "$1"
if [[ ! -f .env ]]; then
  echo "$PWD/.env is missing: copy one here, mode 0600, that \`python3 -m tools.compose secrets\` made in a checkout" >&2
  exit 1
fi
start() {
  sed -i '/^AIRFLOW_IMAGE=/d' .env
  [[ -z "$1" ]] || echo "AIRFLOW_IMAGE=$1" >> .env # so that whoever starts it next starts the same
  docker compose pull --quiet --policy missing && docker compose up --detach --no-build --wait --remove-orphans
}
before="$(sed -n 's/^AIRFLOW_IMAGE=//p' .env)"
if ! start "$2"; then
  docker compose ps --all >&2 || true
  echo "$2 did not become healthy: going back to ${before:-the image before}" >&2
  start "$before" || echo "${before:-the image before} did not become healthy either" >&2
  exit 1
fi
docker compose ps
REMOTE
