"""The effects of an MCPServer in a Pod of its own: its objects are created, updated or deleted.

Every write is conditional, and repeats nothing: an object that is there is adopted if the server owns it. What must not
go here: what the objects are (`manifests`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from kubechain.api.mcpserver import MCPServer
from kubechain.api.names import mcp_pod_name
from kubechain.controllers.frame import cache_is_behind
from kubechain.controllers.mcpserver.manifests import DIGEST, Manifest, token_secret
from kubechain.controllers.mcpserver.owned import DEPLOYMENTS, OWNED
from kubechain.runtime.client import Client
from kubechain.runtime.errors import REFUSALS, AlreadyExists, NotFound, RetryableError, WriteRefused

TOKEN_BYTES = 32
COLLECTED_SECONDS = 2.0
"""How long the garbage collector may take to delete an object of an earlier server of the same name."""


class NotOurs(Exception):
    """Raised when an object that a server needs exists and belongs to something else; the message says which."""


@dataclass(frozen=True, slots=True)
class Hoster:
    """Makes and deletes the objects of servers in Pods."""

    client: Client

    async def make_token(self, server: MCPServer) -> None:
        """Create the Secret with a new token; one that the server has already is kept.

        Raises:
            NotOurs: The Secret exists and belongs to something else.
            WriteRefused: The API server says no.
        """
        await self._put(server, token_secret(server, secrets.token_urlsafe(TOKEN_BYTES)), is_kept=True)

    async def host(self, server: MCPServer, manifests: Sequence[Manifest]) -> None:
        """Create or update objects, one after the other: a policy is there before the Pod that it is for.

        Raises:
            NotOurs: One of them exists and belongs to something else.
            WriteRefused: The API server says no.
        """
        for manifest in manifests:
            await self._put(server, manifest)

    async def scale(self, server: MCPServer, replicas: int) -> None:
        """Give the server's Deployment so many Pods.

        Raises:
            Conflict: It was changed meanwhile; the next reconcile reads its version.
            WriteRefused: The API server says no.
        """
        namespace, name = server.metadata.namespace, mcp_pod_name(server.metadata.name)
        path = DEPLOYMENTS.path(namespace, name)
        try:
            found = orjson.loads(await self.client.request("GET", path))
            if _is_owned(found, server):
                wanted = {**found, "spec": {**found["spec"], "replicas": replicas}}
                await self.client.request("PUT", path, body=orjson.dumps(wanted))
        except NotFound:
            return  # the next reconcile makes it
        except REFUSALS as error:
            raise WriteRefused(f'Deployment "{name}"', error) from error

    async def withdraw(self, server: MCPServer, kinds: Sequence[str]) -> None:
        """Delete the objects of a server that is in a Pod no more: the Deployment first, the policy last.

        Raises:
            WriteRefused: The API server says no.
        """
        namespace, name = server.metadata.namespace, mcp_pod_name(server.metadata.name)
        for resource in reversed([each for each in OWNED if each.kind in kinds]):
            try:
                await self.client.delete(resource, namespace, name)
            except NotFound:
                continue
            except REFUSALS as error:
                raise WriteRefused(f'to delete {resource.kind} "{name}"', error) from error

    async def _put(self, server: MCPServer, manifest: Manifest, *, is_kept: bool = False) -> None:
        """Create an object, or update the one that the server owns.

        Args:
            server: Its owner.
            manifest: As it is wanted.
            is_kept: Whether one that exists stays as it is.
        """
        found = await self._find(manifest)
        try:
            if found is None:
                await self._create(manifest)
            elif not _is_owned(found, server):
                raise _foreign(manifest, server, found)
            elif not is_kept and _digest(found) != manifest.digest:
                await self._update(manifest, found)
        except REFUSALS as error:
            raise WriteRefused(f'{manifest.kind} "{manifest.name}"', error, is_create=found is None) from error

    async def _find(self, manifest: Manifest) -> dict[str, Any] | None:
        try:
            return orjson.loads(await self.client.request("GET", _path(manifest)))
        except NotFound:
            return None
        except REFUSALS as error:
            raise WriteRefused(f'to read {manifest.kind} "{manifest.name}"', error) from error

    async def _create(self, manifest: Manifest) -> None:
        try:
            await self.client.request("POST", manifest.collection, body=orjson.dumps(manifest.body))
        except AlreadyExists as error:
            raise cache_is_behind(f'{manifest.kind} "{manifest.name}" was created meanwhile') from error
        except NotFound as error:
            raise NotOurs(f"this control plane has no {manifest.kind}s, which spec.isolation: Pod needs") from error

    async def _update(self, manifest: Manifest, found: dict[str, Any]) -> None:
        """Replace what was read, and nothing newer. A server that sleeps is woken: its tools may be others now."""
        metadata = {**manifest.body["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
        body = {**manifest.body, "metadata": metadata}
        await self.client.request("PUT", _path(manifest), body=orjson.dumps(body))


def _path(manifest: Manifest) -> str:
    return f"{manifest.collection}/{quote(manifest.name, safe='')}"


def _is_owned(found: dict[str, Any], server: MCPServer) -> bool:
    return any(owner["uid"] == server.metadata.uid for owner in _owners(found))


def _owners(found: dict[str, Any]) -> list[dict[str, Any]]:
    return found["metadata"].get("ownerReferences", [])


def _digest(found: dict[str, Any]) -> str | None:
    return found["metadata"].get("annotations", {}).get(DIGEST)


def _foreign(manifest: Manifest, server: MCPServer, found: dict[str, Any]) -> Exception:
    """The error of an object that belongs to an earlier server of the same name, or to something else."""
    name = server.metadata.name
    if any((owner["kind"], owner["name"]) == ("MCPServer", name) for owner in _owners(found)):
        what = f'{manifest.kind} "{manifest.name}" of an earlier MCPServer is still being deleted'
        return RetryableError(what, retry_after_seconds=COLLECTED_SECONDS)
    return NotOurs(
        f'{manifest.kind} "{manifest.name}" exists and does not belong to this MCPServer: delete it, or give the '
        "server another name"
    )
