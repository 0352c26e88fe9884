#!/usr/bin/env bash
# Installs what a node needs from the distribution: runc, iptables, ip, ipset, a static busybox; and what the image is built with
# where no docker is. On Debian and Ubuntu, as root; elsewhere it says what is missing.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
for program in runc iptables ip ipset busybox buildah debootstrap; do
  command -v "$program" >/dev/null || missing+=("$program")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  echo "cluster: not installed: ${missing[*]} (apt-get as root installs them)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends runc iptables iproute2 ipset busybox-static buildah debootstrap >/dev/null
