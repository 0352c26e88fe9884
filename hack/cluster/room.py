"""The node's own view of the machine: mounts and network, made inside new namespaces. This machine sees none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hack.cluster.places import DNS_SERVICE, NODE_NAME, NODE_NETWORK, Places

SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
"""What kubelet wants, and would set for the whole machine: it finds files with these values in their place."""

OWN_FOLDERS = ("/var/lib/kubelet", "/var/lib/cni", "/var/log")
"""Folders that the programs expect at these paths."""


def furnish(places: Places) -> None:
    """Make the mounts and the network of the node."""
    _mount_cgroups()
    _mount("-t", "tmpfs", "tmpfs", "/run")
    _mount("-t", "tmpfs", "tmpfs", "/var/lib")
    for name in OWN_FOLDERS:
        own = places.folder / name.strip("/").replace("/", "-")
        own.mkdir(exist_ok=True)
        Path(name).mkdir(exist_ok=True)
        _mount("--bind", str(own), name)
    _set_resolver(places)
    _run("mount", "--make-rshared", "/")
    _show_sysctls()
    _make_network()


def _mount_cgroups() -> None:
    """Mount each hierarchy anew: in a cgroup namespace, its root is the cgroup of the node."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    subprocess.run(["umount", "-R", "-l", "/sys/fs/cgroup"], check=True)
    _mount("-t", "sysfs", "sysfs", "/sys")  # of the new network namespace
    _mount("-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
    for line in lines:
        controllers = line.split(":", 2)[1]
        folder = Path("/sys/fs/cgroup", controllers.removeprefix("name=") or "unified")
        folder.mkdir()
        if not controllers:
            _mount("-t", "cgroup2", "cgroup2", str(folder))
        else:
            options = f"none,{controllers}" if controllers.startswith("name=") else controllers
            _mount("-t", "cgroup", "-o", options, "cgroup", str(folder))


def _set_resolver(places: Places) -> None:
    """Let the cluster's DNS answer, so that a pull of an image that is not here fails at once."""
    file = places.folder / "resolv.conf"
    file.write_text(f"nameserver {DNS_SERVICE}\n")
    _mount("--bind", str(file), "/etc/resolv.conf")


def _show_sysctls() -> None:
    folder = Path("/run/sysctl")
    folder.mkdir()
    for name, value in SYSCTLS.items():
        file = folder / name.replace("/", "-")
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{name}")


def _make_network() -> None:
    _run("hostname", NODE_NAME)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0-peer")
    _run("ip", "link", "set", "node0-peer", "up")
    _run("ip", "addr", "add", NODE_NETWORK, "dev", "node0")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "route", "add", "default", "dev", "node0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
