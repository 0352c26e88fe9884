"""buildah with a store of its own in the user's cache folder; it needs no daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def cache() -> Path:
    """Where images are kept that builds begin with."""
    folders = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KUBECHAIN_CACHE") or Path(folders) / "kubechain") / "image"


@dataclass(frozen=True, slots=True)
class Buildah:
    """Runs buildah on one store.

    Attributes:
        store: A folder.
    """

    store: Path

    def run(self, *arguments: str) -> str:
        """Run a command of it and return what it prints; progress goes to standard error."""
        # Isolation by chroot needs neither user namespaces nor a runtime.
        environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
        command = ["buildah", f"--root={self.store}/images", f"--runroot={self.store}/run", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        return done.stdout.strip()

    def program(self, *command: str) -> None:
        """Run another program, whose output is progress."""
        subprocess.run(command, stdout=sys.stderr, check=True)

    def has(self, name: str) -> bool:
        """Whether an image of that name is in the store."""
        return name in self.run("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()


def why_not() -> str:
    """Return why buildah cannot build here; empty where it can."""
    missing = [program for program in ("buildah", "debootstrap", "go") if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (hack/cluster/packages.sh installs buildah and debootstrap)"
    return "" if os.geteuid() == 0 else "debootstrap needs root"
