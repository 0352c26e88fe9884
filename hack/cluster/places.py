"""Where the things of a node are: its addresses, and the files of its folder. No effects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "node"
NODE_ADDRESS = "10.89.0.1"
NODE_NETWORK = f"{NODE_ADDRESS}/24"
API_PORT = 6443
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/24"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "kubechain.test/pause:1"
BUSYBOX_IMAGE = "busybox:1"


@dataclass(frozen=True, slots=True)
class Places:
    """The files of a node, in a folder of its own.

    Attributes:
        folder: Holds everything that the node writes.
        programs: What hack/cluster/build.sh has built.
    """

    folder: Path
    programs: Path

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        """What the programs print; the only thing that stays when the node has ended."""
        return self.folder / "logs"

    @property
    def images(self) -> Path:
        """OCI archives, which containerd imports at the start."""
        return self.folder / "images"

    @property
    def registries(self) -> Path:
        """What containerd knows of registries: a folder with a hosts.toml for each."""
        return self.folder / "registries"

    @property
    def init(self) -> Path:
        """The process id of process 1, as this machine counts."""
        return self.folder / "init"

    @property
    def groups(self) -> Path:
        """The cgroups of the node, a path in each line."""
        return self.folder / "cgroups"

    @property
    def lock(self) -> Path:
        """Locked as long as anything of the node is left."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, for clients on this machine."""
        return self.folder / "kubeconfig"

    def kubeconfig_of(self, user: str) -> Path:
        """Of a program of the node."""
        return self.folder / f"{user}.kubeconfig"

    def program(self, name: str) -> Path:
        """A program that was built."""
        return self.programs / name
