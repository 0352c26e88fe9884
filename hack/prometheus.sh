#!/usr/bin/env bash
# Prints the folder with `prometheus` and `promtool`: on the PATH, in the cache, or fetched from Debian without installing.
# $PROMETHEUS_ASSETS names another folder. Needs apt-get and dpkg where there is none yet.
set -euo pipefail

has() { [ -x "$1/prometheus" ] && [ -x "$1/promtool" ]; }

if [ -n "${PROMETHEUS_ASSETS:-}" ]; then
  has "$PROMETHEUS_ASSETS" || { echo "PROMETHEUS_ASSETS: no prometheus and promtool in $PROMETHEUS_ASSETS" >&2; exit 1; }
  echo "$PROMETHEUS_ASSETS"
  exit
fi
if found=$(command -v prometheus) && command -v promtool >/dev/null; then
  dirname "$found"
  exit
fi
cache=${KUBECHAIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubechain}/prometheus
if ! has "$cache/usr/bin"; then
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo 'prometheus: not on the PATH, and no apt-get to fetch it' >&2; exit 1; }
  mkdir -p "$cache"
  fetched=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  (cd "$fetched" && apt-get -qq download prometheus >&2)
  dpkg -x "$fetched"/prometheus_*.deb "$fetched/root" >&2
  mkdir -p "$cache/usr/bin"
  mv "$fetched/root/usr/bin/prometheus" "$fetched/root/usr/bin/promtool" "$cache/usr/bin/"
fi
echo "$cache/usr/bin"
