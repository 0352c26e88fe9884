#!/usr/bin/env bash
# Installs the programs that some tests drive and are skipped without: a browser for the approval page, and shells for
# the completion of names. On Debian and Ubuntu, as root; elsewhere it says what is missing.
set -euo pipefail

missing=()
for program in chromium zsh fish; do
  command -v "$program" >/dev/null || missing+=("$program")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  echo "not installed, and tests are skipped without: ${missing[*]} (apt-get as root installs them)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" fonts-dejavu-core >/dev/null
