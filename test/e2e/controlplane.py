"""A real Kubernetes API server without a cluster: etcd, kube-apiserver and kube-controller-manager as plain processes.

For the end-to-end tests, and for trying things out from the command line:

    python -m test.e2e.controlplane up

The programs are those that hack/controlplane builds; how they are run is in `kubechain_apiserver.assets`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from kubechain_apiserver.assets import AssetsControlPlane, StartError

CONTROLPLANE = Path(__file__).resolve().parents[2] / "hack" / "controlplane"
BUILD_SCRIPTS = {"newest": CONTROLPLANE / "build.sh", "oldest": CONTROLPLANE / "oldest" / "build.sh"}
"""By the release of Kubernetes that $KUBECHAIN_KUBERNETES names; the newest where it is not set."""


def build() -> Path:
    """Build the programs unless that was done before, and return the folder that holds them.

    The first build compiles for some minutes; its progress goes to standard error.

    Raises:
        StartError: The build failed.
    """
    release = os.environ.get("KUBECHAIN_KUBERNETES", "newest")
    if release not in BUILD_SCRIPTS:
        raise StartError(f"KUBECHAIN_KUBERNETES: newest or oldest: {release!r}")
    done = subprocess.run([BUILD_SCRIPTS[release]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StartError(f"build of the control plane failed: exit status {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


class RealControlPlane(AssetsControlPlane):
    """A control plane of the programs of hack/controlplane, which are built on first use."""

    def __init__(self, folder: Path, *, keep_data: bool = False) -> None:
        super().__init__(folder, programs=build(), keep_data=keep_data)


@contextlib.contextmanager
def _folder(given: Path | None) -> Generator[Path, None, None]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="controlplane-") as temporary:
        yield Path(temporary)


def _up(folder: Path | None) -> None:
    """Print the kubeconfig's path and stay until interrupted or a process ends."""
    with _folder(folder) as where, RealControlPlane(where) as plane:
        print(plane.kubeconfig, flush=True)
        print(f"serving at {plane.url}; Ctrl-C ends it", file=sys.stderr)
        while True:
            plane.check()
            time.sleep(1.0)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="A real Kubernetes API server without a cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start, print the path of a kubeconfig, run until Ctrl-C")
    up.add_argument("--dir", type=Path, help="folder for logs and the kubeconfig (default: a temporary one)")
    options = parser.parse_args(arguments)
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell's background job would ignore the first
        signal.signal(each, _interrupt)
    try:
        _up(options.dir)
    except KeyboardInterrupt:
        return 0
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
