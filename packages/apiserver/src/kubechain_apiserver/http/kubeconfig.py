"""The kubeconfig of the embedded control plane, a file of its own: nothing is merged into `~/.kube/config`."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

import yaml

from kubechain_apiserver.http.private_files import write_private
from kubechain_apiserver.wire.json_types import JsonObject

CONTEXT: Final = "kubechain"
"""Name of the context, the cluster and the user."""


def document(url: str, *, authority: bytes, token: str, namespace: str = "default") -> JsonObject:
    """Return a kubeconfig.

    Args:
        authority: Certificate of the authority, in PEM; it is embedded.
    """
    certificate = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": url, "certificate-authority-data": certificate}}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}}],
        "current-context": CONTEXT,
        "preferences": {},
    }


def write(path: Path, content: JsonObject) -> None:
    """Write a kubeconfig, readable by its owner only."""
    write_private(path, yaml.safe_dump(content, sort_keys=False).encode())
