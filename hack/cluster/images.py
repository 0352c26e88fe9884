"""Makes images without a daemon: OCI archives of one layer, from files of this machine. Reproducible."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

FOLDERS = ("bin", "etc", "tmp", "usr", "usr/bin")

_OCI = "application/vnd.oci.image"


def architecture() -> str:
    """The name that images have for this machine's processor."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


class Layer:
    """The files of an image, in a tar file that is written as they come.

    Attributes:
        path: The tar file, uncompressed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tar = tarfile.open(path, "w")  # noqa: SIM115
        for folder in FOLDERS:
            self._add(folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755)

    def text(self, name: str, content: str, *, mode: int = 0o644) -> None:
        """Add a file with that content."""
        self._add(name, tarfile.REGTYPE, mode, content.encode())

    def file(self, source: Path, name: str, *, links: Sequence[str] = ()) -> None:
        """Add a file of this machine, with symbolic links to it."""
        self._add(name, tarfile.REGTYPE, 0o755 if source.stat().st_mode & 0o111 else 0o644, source.read_bytes())
        for link in links:
            self._add(link, tarfile.SYMTYPE, 0o777, link="/" + name)

    def tree(self, source: Path, name: str, *, keeps: Callable[[Path], bool] = lambda _: True) -> None:
        """Add a folder of this machine.

        Args:
            source: The folder.
            name: Its name in the image.
            keeps: Which files and folders to add; it gets the path on this machine.
        """

        def entry(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
            if not keeps(source / info.name.removeprefix(name).lstrip("/")):
                return None
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            return info

        self._tar.add(source, name, filter=entry)

    def close(self) -> None:
        """Write the end of the tar file."""
        self._tar.close()

    def _add(self, name: str, type_: bytes, mode: int, content: bytes = b"", *, link: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname = type_, mode, len(content), link
        self._tar.addfile(info, io.BytesIO(content))


def write_archive(path: Path, name: str, layer: Path, config: Mapping[str, Any]) -> None:
    """Write an OCI archive, which `ctr images import` reads.

    Args:
        path: Of the archive.
        name: Of the image, with its tag.
        layer: An uncompressed tar file.
        config: Entrypoint, Env, User and the like, as OCI spells them.
    """
    blobs: dict[str, bytes | Path] = {}

    def blob(content: bytes | Path, media: str) -> dict[str, Any]:
        digest, size = _digest(content)
        blobs[digest] = content
        return {"mediaType": f"{_OCI}.{media}", "digest": f"sha256:{digest}", "size": size}

    files = blob(layer, "layer.v1.tar")
    described = {
        "architecture": architecture(),
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [files["digest"]]},
    }
    manifest = blob(
        _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.manifest.v1+json",
                "config": blob(_json(described), "config.v1+json"),
                "layers": [files],
            }
        ),
        "manifest.v1+json",
    )
    tag = name.rpartition(":")[2]
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [manifest]}
    with tarfile.open(path, "w") as archive:
        _put(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(archive, "index.json", _json(index))
        for digest, content in blobs.items():
            _put(archive, f"blobs/sha256/{digest}", content)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes | Path) -> tuple[str, int]:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), len(content)
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size


def _put(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        return
    info.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(info, file)
