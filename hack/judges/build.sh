#!/usr/bin/env bash
# Builds helm, kubeconform and kube-score once and prints the folder that holds them as the last line of standard
# output; progress goes to standard error.
#
#   KUBECHAIN_CACHE  where builds are kept (default: the user's cache folder)
#   GOFLAGS          for example -p=1, on a machine that is shared
set -euo pipefail

say() { echo "judges: $*" >&2; }

cd "$(dirname "${BASH_SOURCE[0]}")"

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

cache=${KUBECHAIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubechain}/judges
out=$cache/$(cat build.sh {.,score}/go.{mod,sum} | sha256 | cut -c1-12)
partial=$out.partial

# The folder appears by one rename of a finished build, so that it exists means that it is complete.
if [[ -d $out ]]; then echo "$out"; exit 0; fi

command -v go >/dev/null || { say "Go is needed to build helm, kubeconform and kube-score"; exit 1; }
mkdir -p "$cache"

# The lock goes with the process, so an interrupted build leaves none behind.
if command -v flock >/dev/null; then
  exec 9>"$cache/.lock"
  flock -n 9 || { say "waiting for another build"; flock 9; }
  if [[ -d $out ]]; then echo "$out"; exit 0; fi
fi

rm -rf "$partial"
mkdir "$partial"
trap 'rm -rf "$partial"' EXIT

say "compiling helm, kubeconform and kube-score: some minutes the first time"
export CGO_ENABLED=0
for module in . score; do
  (cd "$module" && go list -f '{{.ImportPath}}' tool | xargs go build -trimpath -ldflags '-s -w' -o "$partial/" >&2)
done
mv "$partial" "$out"
echo "$out"
