"""The image of the manager: builds the Dockerfile, with docker where its daemon runs, otherwise with buildah.

    python -m hack.image ARCHIVE                  # the variant `tools`, which config/manager names
    python -m hack.image --variant slim ARCHIVE   # without uv and Node

The archive is what docker load, podman load and `ctr images import` read. Beside it, its SBOM is written. buildah needs
no daemon and no registry: `hack.image.bases` makes the base images from packages of Debian. What is installed, and from
which files, is in locks/, which `make lock` writes.

What must not go here: how a node runs an image (`hack.cluster`).
"""
