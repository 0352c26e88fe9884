#!/usr/bin/env bash
# Builds the programs of a node once and prints the folder that holds them as the last line of standard output;
# progress goes to standard error. The control plane comes from hack/controlplane, and is linked into the folder.
#
#   KUBECHAIN_CACHE  where builds are kept (default: the user's cache folder)
#   GOFLAGS          for example -p=1, on a machine that is shared
set -euo pipefail

say() { echo "cluster: $*" >&2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"
control_plane=$(KUBEBUILDER_ASSETS='' ../controlplane/build.sh | tail -1)

version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' node/go.mod)
sources=$(cat build.sh node/go.mod node/go.sum node/*.go node/pause/*.go runtime/go.mod runtime/go.sum <(echo "$control_plane") |
  sha256sum | cut -c1-12)
cache=${KUBECHAIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kubechain}/cluster
out=$cache/$version-$sources
partial=$out.partial

# The folder appears by one rename of a finished build, so that it exists means that it is complete.
if [[ -d $out ]]; then
  say "$version is already built"
  echo "$out"
  exit 0
fi

command -v go >/dev/null || { say "Go is needed to build $version"; exit 1; }
mkdir -p "$cache"

# The lock goes with the process, so an interrupted build leaves none behind.
exec 9>"$cache/.lock"
flock -n 9 || { say "waiting for another build"; flock 9; }
if [[ -d $out ]]; then echo "$out"; exit 0; fi

rm -rf "$partial"
mkdir "$partial"
trap 'rm -rf "$partial"' EXIT
export CGO_ENABLED=0

progress() { # counts the packages that `go build -v` names
  awk -v total="$1" '
    /^[A-Za-z0-9_.\/-]+$/ { if (++done % 100 == 0) print "cluster: " done " of at most " total " packages"; fflush(); next }
    { print; fflush() }' >&2
}

# Client libraries read the version; without these variables it would be v0.0.0-master.
stamp=k8s.io/component-base/version
IFS=. read -r major minor _ <<<"${version#v}"
say "compiling kubelet, kube-scheduler, kube-proxy, kube-router and CoreDNS: ten minutes on two cores the first time"
(cd node && go build -v -trimpath -o "$partial/node" -ldflags "-s -w \
  -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor \
  -X $stamp.gitTreeState=clean" . 2>&1 | progress "$(go list -deps . | wc -l | tr -d ' ')")
(cd node && go build -trimpath -ldflags '-s -w' -o "$partial/pause" ./pause)
for program in kube-scheduler kubelet kube-proxy kube-router coredns; do
  ln -s node "$partial/$program"
done

say "compiling containerd and the plugins of its network"
(cd runtime && go list -f '{{.ImportPath}}' tool | xargs go build -v -trimpath -ldflags '-s -w' -o "$partial/" \
  -tags 'no_btrfs no_devmapper no_zfs no_aufs netgo osusergo static_build' 2>&1 |
  progress "$(go list -deps tool | wc -l | tr -d ' ')")

for program in etcd kube-apiserver kube-controller-manager kubectl; do
  ln -s "$control_plane/controlplane" "$partial/$program"
done
mv "$partial" "$out"
say "built $version"
echo "$out"
