"""Reads an archive of an image: its layers, its configuration, the files in it. No container engine takes part."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Archive:
    """An image in one file.

    Attributes:
        config: As OCI spells it.
        layers: The content of each, uncompressed, the lowest first.
    """

    config: dict[str, Any]
    layers: list[bytes]

    def digests(self) -> list[str]:
        """The digest of the content of each layer."""
        return [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in self.layers]

    def entries(self) -> Iterator[tarfile.TarInfo]:
        """Every file and folder of every layer."""
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as files:
                yield from files

    def file(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            KeyError: There is none of that name.
        """
        for layer in reversed(self.layers):
            with tarfile.open(fileobj=io.BytesIO(layer)) as files:
                if name in files.getnames():
                    content = files.extractfile(name)
                    assert content is not None, f"{name} is a file"
                    return content.read()
        raise KeyError(name)


def read(path: Path) -> Archive:
    """Read an archive that docker or buildah wrote."""
    with tarfile.open(path) as archive:

        def member(name: str) -> bytes:
            content = archive.extractfile(name)
            assert content is not None, f"{path}: {name} is a file"
            return content.read()

        def blob(descriptor: dict[str, Any]) -> bytes:
            return member(f"blobs/{descriptor['digest'].replace(':', '/')}")

        [manifest] = json.loads(member("index.json"))["manifests"]
        described = json.loads(blob(manifest))
        return Archive(json.loads(blob(described["config"])), _layers(map(blob, described["layers"])))


def _layers(blobs: Iterator[bytes]) -> list[bytes]:
    return [gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob for blob in blobs]


def write_sboms(archive: Archive, names: Sequence[str], folder: Path, prefix: str) -> list[Path]:
    """Write the lists of packages of an image beside it, and return their paths."""
    paths: list[Path] = []
    for name in names:
        path = folder / f"{prefix}.{name.split('/')[1]}.cdx.json"
        path.write_bytes(archive.file(name))
        paths.append(path)
    return paths
