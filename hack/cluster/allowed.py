"""Whether this machine allows a node, and if not, why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import cgroups
from hack.cluster.keeper import NAMESPACES

FROM_THE_DISTRIBUTION = ("runc", "iptables", "ip", "ipset", "busybox", "unshare", "nsenter")
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def why_not() -> str:
    """Return why this machine cannot run a node; empty where it can."""
    if sys.platform != "linux":
        return "a node needs Linux"
    if os.geteuid() != 0:
        return "a node needs root: namespaces, cgroups and mounts of its own"
    missing = [program for program in FROM_THE_DISTRIBUTION if shutil.which(program, path=SYSTEM_PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (hack/cluster/packages.sh installs them)"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlayfs, on which containerd keeps images"
    return cgroups.why_not() or _no_namespaces()


def _no_namespaces() -> str:
    done = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"namespaces cannot be made: {done.stderr.strip()}" if done.returncode else ""
