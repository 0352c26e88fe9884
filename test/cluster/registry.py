"""A registry of images at an address that a node reaches."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hack.cluster.images import Layer, write_archive
from hack.cluster.node import Node
from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

MANIFEST, BLOB = "application/vnd.oci.image.manifest.v1+json", "application/octet-stream"
NAME = "slow:1"


@dataclass(frozen=True, slots=True)
class Blob:
    """A part of an image: some bytes of an archive."""

    archive: Path
    offset: int
    size: int

    def read(self) -> bytes:
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True, slots=True)
class Account:
    """Who may pull."""

    name: str
    password: str

    @property
    def header(self) -> str:
        """As a client sends it."""
        return f"Basic {base64.b64encode(f'{self.name}:{self.password}'.encode()).decode()}"


class Registry(LoopbackServer):
    """The server.

    Attributes:
        refused: How many requests came without the account.
    """

    def __init__(
        self, listening: socket.socket, archives: Mapping[str, Path], *, account: Account | None = None
    ) -> None:
        """Prepare to serve images.

        Args:
            listening: A socket that listens already.
            archives: An OCI archive of each image, by its name and tag.
            account: Who may pull; everybody if None.
        """
        super().__init__(_Handler, listening)
        self.account = account
        self.refused = 0
        self.blobs: dict[str, Blob] = {}
        self.tags: dict[str, str] = {}
        for name, archive in archives.items():
            self.blobs |= _blobs(archive)
            self.tags[name] = _manifest(archive)

    def is_known_to(self, node: Node, host: str) -> None:
        """Let a node pull from here what is named after a host."""
        folder = node.places.registries / host
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'server = "{self.url}"\n')

    def send(self, handler: LoopbackHandler, digest: str, blob: bytes) -> None:
        """Send a blob whose headers are sent."""
        handler.wfile.write(blob)


class SlowRegistry(Registry):
    """Of the layer of its image, the last byte is sent once `release` was called, or never after `refuse`.

    containerd breaks off a pull without progress only after it has written some of a layer, which it does by the MiB.
    """

    def __init__(self, listening: socket.socket, folder: Path) -> None:
        """Prepare to serve an image of busybox, whose layer no node has yet.

        Args:
            listening: A socket that listens already.
            folder: An empty folder.
        """
        super().__init__(listening, {NAME: _busybox(folder)})
        self.layer = str(json.loads(self.blobs[self.tags[NAME]].read())["layers"][0]["digest"])
        self.decided = threading.Event()
        self.is_refused = False

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def image(self) -> str:
        """The image's name, for a Pod."""
        return f"{self.host}/{NAME}"

    def release(self) -> None:
        """Let the pull end well."""
        self.decided.set()

    def refuse(self) -> None:
        """Let the pull fail."""
        self.is_refused = True
        self.decided.set()

    def send(self, handler: LoopbackHandler, digest: str, blob: bytes) -> None:
        if digest == self.layer:
            super().send(handler, digest, blob[:-1])
            self.decided.wait()
            if self.is_refused:
                handler.close_connection = True
                return
            blob = blob[-1:]
        super().send(handler, digest, blob)

    def __exit__(self, *_: object) -> None:
        self.refuse()
        super().__exit__()


def _blobs(archive: Path) -> dict[str, Blob]:
    with tarfile.open(archive) as files:
        members = [member for member in files.getmembers() if member.name.startswith("blobs/sha256/")]
    return {f"sha256:{one.name.rpartition('/')[2]}": Blob(archive, one.offset_data, one.size) for one in members}


def _manifest(archive: Path) -> str:
    """The digest of the manifest of the only image."""
    with tarfile.open(archive) as files:
        index = files.extractfile("index.json")
        assert index is not None
        [manifest] = json.load(index)["manifests"]
    return manifest["digest"]


def _busybox(folder: Path) -> Path:
    """The archive of an image that names no command."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    layer = Layer(folder / "layer")
    layer.file(Path(busybox), "bin/busybox", links=["bin/sh"])
    layer.text("etc/about", str(folder))
    layer.close()
    archive = folder / "archive.tar"
    write_archive(archive, NAME, layer.path, {})
    return archive


class _Handler(LoopbackHandler):
    def do_HEAD(self) -> None:  # noqa: N802
        self.get()

    def get(self) -> None:
        registry = cast(Registry, self.server)
        if registry.account is not None and self.headers.get("Authorization") != registry.account.header:
            registry.refused += 1
            self.reply(401, b"", BLOB, **{"WWW-Authenticate": 'Basic realm="images"'})
            return
        path = self.path.partition("?")[0].removeprefix("/v2/")
        name, _, asked = path.partition("/manifests/") if "/manifests/" in path else path.partition("/blobs/")
        digest = registry.tags.get(f"{name}:{asked}", asked)
        blob = registry.blobs.get(digest)
        if blob is None:
            self.reply(404 if path else 200, b"", BLOB)
            return
        try:
            self.send_response(200)
            self.send_header("Content-Type", MANIFEST if digest in registry.tags.values() else BLOB)
            self.send_header("Content-Length", str(blob.size))
            self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command != "HEAD":
                registry.send(self, digest, blob.read())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
