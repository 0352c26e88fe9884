#!/usr/bin/env bash
# Builds the control plane once and prints the folder that holds its programs
# as the last line of standard output; progress goes to standard error.
#
#   KUBEBUILDER_ASSETS  a folder with etcd and kube-apiserver: used as it is,
#                       nothing is built
#   KUBECHAIN_CACHE     where builds are kept (default: the user's cache folder)
set -euo pipefail

say() { echo "controlplane: $*" >&2; }

if [[ -x "${KUBEBUILDER_ASSETS:-}/etcd" && -x "${KUBEBUILDER_ASSETS:-}/kube-apiserver" ]]; then
  say "using KUBEBUILDER_ASSETS, nothing to build"
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")"

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
sources=$(cat go.mod go.sum ./*.go build.sh | sha256 | cut -c1-12)
cache=${KUBECHAIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubechain}/controlplane
out=$cache/$version-$sources
partial=$out.partial

# The folder appears by one rename of a finished build, so that it exists means
# that it is complete.
if [[ -d $out ]]; then
  say "$version is already built"
  echo "$out"
  exit 0
fi

command -v go >/dev/null || {
  say "Go is needed to build $version; or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver"
  exit 1
}
mkdir -p "$cache"

# Two test runs that start together must not compile the same thing twice. The
# lock goes with the process, so an interrupted build leaves none behind.
if command -v flock >/dev/null; then
  exec 9>"$cache/.lock"
  flock -n 9 || { say "waiting for another build"; flock 9; }
  if [[ -d $out ]]; then echo "$out"; exit 0; fi
fi

rm -rf "$partial"
mkdir "$partial"
trap 'rm -rf "$partial"' EXIT

say "downloading modules"
export CGO_ENABLED=0
total=$(go list -deps . | wc -l | tr -d ' ')

# kubectl and client libraries read the server's version; without these
# variables it would be v0.0.0-master.
stamp=k8s.io/component-base/version
IFS=. read -r major minor _ <<<"${version#v}"
say "compiling $version: $total packages, some ten minutes on two cores the first time"
go build -v -trimpath -o "$partial/controlplane" -ldflags "-s -w \
  -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor \
  -X $stamp.gitTreeState=clean" . 2>&1 |
  awk -v total="$total" '
    /^[A-Za-z0-9_.\/-]+$/ { if (++done % 100 == 0) print "controlplane: " done " of at most " total " packages"; fflush(); next }
    { print; fflush() }' >&2

for program in etcd kube-apiserver kube-controller-manager kubectl; do
  ln -s controlplane "$partial/$program"
done
mv "$partial" "$out"
say "built $version"
echo "$out"
