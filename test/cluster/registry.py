"""A registry of images at an address that a node reaches; it holds one image back until the test wants it pulled."""

from __future__ import annotations

import json
import shutil
import socket
import tarfile
import threading
from pathlib import Path
from typing import Self

from hack.cluster.images import Layer, write_archive
from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

MANIFEST, BLOB = "application/vnd.oci.image.manifest.v1+json", "application/octet-stream"
NAME = "slow:1"


class Registry(LoopbackServer):
    """The server. Of the layer of its image, the last byte is sent once `release` was called, or never after `refuse`.

    containerd breaks off a pull without progress only after it has written some of a layer, which it does by the MiB.
    """

    def __init__(self, listening: socket.socket, folder: Path) -> None:
        """Prepare to serve an image of busybox, whose layer no node has yet.

        Args:
            listening: A socket that listens already.
            folder: An empty folder.
        """
        super().__init__(_Handler, listening)
        self.blobs = _image(folder)
        self.manifest = next(name for name, blob in self.blobs.items() if b'"layers":' in blob)
        self.layer = str(json.loads(self.blobs[self.manifest])["layers"][0]["digest"])
        self.decided = threading.Event()
        self.is_refused = False

    @property
    def image(self) -> str:
        """The image's name, for a Pod."""
        return f"{self.url.removeprefix('http://')}/{NAME}"

    def release(self) -> None:
        """Let the pull end well."""
        self.decided.set()

    def refuse(self) -> None:
        """Let the pull fail."""
        self.is_refused = True
        self.decided.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.stop()


def _image(folder: Path) -> dict[str, bytes]:
    """The blobs of an image that names no command, by digest."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    layer = Layer(folder / "layer")
    layer.file(Path(busybox), "bin/busybox", links=["bin/sh"])
    layer.text("etc/about", str(folder))
    layer.close()
    write_archive(folder / "archive.tar", NAME, layer.path, {})
    with tarfile.open(folder / "archive.tar") as archive:
        names = [name for name in archive.getnames() if name.startswith("blobs/sha256/")]
        read = {name: archive.extractfile(name) for name in names}
        return {f"sha256:{name.rpartition('/')[2]}": file.read() for name, file in read.items() if file is not None}


class _Handler(LoopbackHandler):
    def do_HEAD(self) -> None:  # noqa: N802
        self.get()

    def get(self) -> None:
        assert isinstance(self.server, Registry)
        registry, asked = self.server, self.path.partition("?")[0].rpartition("/")[2]
        digest = registry.manifest if "/manifests/" in self.path else asked
        if self.path == "/v2/" or digest not in registry.blobs:
            self.reply(200 if self.path == "/v2/" else 404, b"", BLOB)
            return
        try:
            self._send(registry, digest, registry.blobs[digest])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, registry: Registry, digest: str, blob: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", MANIFEST if digest == registry.manifest else BLOB)
        self.send_header("Content-Length", str(len(blob)))
        self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "HEAD":
            return
        if digest == registry.layer:
            self.wfile.write(blob[:-1])
            registry.decided.wait()
            if registry.is_refused:
                self.close_connection = True
                return
            blob = blob[-1:]
        self.wfile.write(blob)
