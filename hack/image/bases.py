"""The base images of the Dockerfile for a machine without a registry: a small Debian with the Python that it has.

They are made once by debootstrap and kept in buildah's store. The one with Go is the same: this machine's Go is mounted
where the official image has it.
"""

from __future__ import annotations

from hack.image.buildah import Buildah

SUITE = "trixie"
PACKAGES = ("ca-certificates", "netbase", "python3", "python3-venv", "tzdata")
NAME = f"localhost/python-of-debian:{SUITE}"

_LEFT_OVERS = ("var/cache/apt/archives", "var/lib/apt/lists", "var/cache/debconf")


def base(buildah: Buildah) -> str:
    """Return the name of the base image, which is made unless it is there.

    Raises:
        subprocess.CalledProcessError: It cannot be made; standard error says why.
    """
    if buildah.has(NAME):
        return NAME
    container = buildah.run("from", "scratch")
    try:
        root = buildah.run("mount", container)
        buildah.program("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root)
        buildah.program("ln", "-s", "/usr/bin/python3", f"{root}/usr/local/bin/python")
        buildah.program("find", *(f"{root}/{folder}" for folder in _LEFT_OVERS), "-type", "f", "-delete")
        buildah.run("umount", container)
        buildah.run("commit", "--quiet", container, NAME)
    finally:
        buildah.run("rm", container)
    return NAME
