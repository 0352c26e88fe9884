"""The API server in this process, as the judge of manifests: what it says is what a cluster would say."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from kubechain.api.crd import custom_resource_definitions
from kubechain.api.kinds import ALL_KINDS
from kubechain.controllers.resources import resource_of
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.pages import target
from kubechain_apiserver import ControlPlane

NAMESPACE = "default"
"""Where manifests are tried, whatever their namespace: only this one exists."""

_TRIED = {"dryRun": "All", "fieldValidation": "Strict"}


class Judge:
    """Says what is wrong with a manifest of one of our kinds."""

    def __init__(self, plane: ControlPlane) -> None:
        """Judge by a control plane that has our kinds."""
        self._client = Client(plane.exchange(lost=TransportError), clock=SystemClock())
        self._paths = {each.kind: resource_of(each).path(NAMESPACE) for each in ALL_KINDS}

    async def complaint(self, manifest: Mapping[str, Any]) -> str:
        """What the API server says against it; empty where it takes it."""
        path = self._paths.get(str(manifest.get("kind")))
        if path is None:
            return f'there is no kind "{manifest.get("kind")}": one of {", ".join(self._paths)}'
        metadata = manifest.get("metadata")
        if not isinstance(metadata, Mapping):
            return "metadata: Required value"
        tried = {**manifest, "metadata": {**cast("Mapping[str, Any]", metadata), "namespace": NAMESPACE}}
        try:
            await self._client.request("POST", target(path, _TRIED), body=json.dumps(tried, default=str).encode())
        except ApiError as error:
            return str(error)
        return ""


@asynccontextmanager
async def judging() -> AsyncGenerator[Judge]:
    """A judge. Nothing listens, and nothing is kept."""
    plane = ControlPlane()
    try:
        for definition in custom_resource_definitions():
            plane.install_crd(definition)
        yield Judge(plane)
    finally:
        await plane.stop()
