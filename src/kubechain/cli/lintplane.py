"""The API server in this process, as the judge of manifests: what it says is what a cluster would say."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from kubechain.api.crd import custom_resource_definitions
from kubechain.api.kinds import ALL_KINDS
from kubechain.controllers.resources import resource_of
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import ApiError, TransportError
from kubechain.runtime.pages import target
from kubechain.views.refusals import UNKNOWN_FIELD, complaints, meant
from kubechain_apiserver import ControlPlane

NAMESPACE = "default"
"""Where manifests are tried, whatever their namespace: only this one exists."""


class Judge:
    """Says what is wrong with a manifest of one of our kinds."""

    def __init__(self, plane: ControlPlane, definitions: Sequence[Mapping[str, Any]]) -> None:
        """Judge by a control plane that has these kinds."""
        self._schemas = {
            each["spec"]["names"]["kind"]: each["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            for each in definitions
        }
        self._client = Client(plane.exchange(lost=TransportError), clock=SystemClock())
        self._paths = {each.kind: resource_of(each).path(NAMESPACE) for each in ALL_KINDS}

    async def complaints(self, manifest: Mapping[str, Any]) -> list[str]:
        """What the API server says against it; nothing where it takes it."""
        kind = str(manifest.get("kind"))
        if kind not in self._paths:
            return [f'there is no kind "{kind}"{meant(kind, self._paths)}: one of {", ".join(self._paths)}']
        metadata = manifest.get("metadata")
        if not isinstance(metadata, Mapping):
            return ["metadata: Required value"]
        tried = {**manifest, "metadata": {**cast("Mapping[str, Any]", metadata), "namespace": NAMESPACE}}
        found = await self._tried(kind, tried, "Strict")
        if any(UNKNOWN_FIELD.match(each) for each in found):
            # A server that finds fields it does not know looks no further.
            found += await self._tried(kind, tried, "Ignore")
        return found

    async def _tried(self, kind: str, manifest: Mapping[str, Any], validation: str) -> list[str]:
        query = {"dryRun": "All", "fieldValidation": validation}
        body = json.dumps(manifest, default=str).encode()
        try:
            await self._client.request("POST", target(self._paths[kind], query), body=body)
        except ApiError as error:
            return complaints(str(error), error.details.get("causes"), self._schemas[kind])
        return []


@asynccontextmanager
async def judging() -> AsyncGenerator[Judge]:
    """A judge. Nothing listens, and nothing is kept."""
    plane, definitions = ControlPlane(), custom_resource_definitions()
    try:
        for definition in definitions:
            plane.install_crd(definition)
        yield Judge(plane, definitions)
    finally:
        await plane.stop()
