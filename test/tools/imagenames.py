"""Names of images, as our check reads them; on a real node kubelet reads the same ones."""

from __future__ import annotations

_DIGEST = "sha256:" + "0" * 64

IMAGES = (
    "busybox",
    "busybox:1.36",
    "library/busybox",
    "ghcr.io/a-b/c__d/e.f:v1.0_x-Y",
    "localhost:5000/x",
    "[::1]:5000/x",
    "REGISTRY.example.com/x",
    "REGISTRY/x",
    f"busybox@{_DIGEST}",
    f"host:1/busybox:1@{_DIGEST}",
    f"busybox@sha512:{'0' * 128}",
    f"x.io/{'p' * 255}",
    "p" * 247,
    f"x.io/{'0' * 64}",
)

NO_IMAGES = (
    "busybox:1.36:2",
    "Busybox",
    "https://x.io/y",
    "a b",
    "x/",
    "/x",
    "x:",
    "x@sha256:12",
    f"x@sha256:{'0' * 32}",
    f"x@sha256:{'F' * 64}",
    f"x@sha1:{'0' * 40}",
    "a..b",
    "x:" + "t" * 129,
    "--privileged",
    "x/Y",
    "é",
    f"x.io/{'p' * 256}",
    "p" * 248,
    "0" * 64,
)
