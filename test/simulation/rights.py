"""An API server whose RBAC gives the manager Secrets by name only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from kubechain.runtime.errors import Forbidden
from kubechain.runtime.transport import Exchange, Reply, StreamReply, WholeReply


class SecretsByName:
    """An exchange that says no where a list or watch of Secrets is asked for, or the right to it."""

    def __init__(self, inner: Exchange) -> None:
        """Put it around an exchange of somebody who may do everything."""
        self._inner = inner

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        """Answer reviews about Secrets, and refuse their lists."""
        if body is not None and target.endswith("/selfsubjectaccessreviews"):
            asked = json.loads(body)["spec"]["resourceAttributes"]
            if asked["resource"] == "secrets" and asked["verb"] != "get":
                return WholeReply(201, {}, json.dumps({"status": {"allowed": False}}).encode())
        if method == "GET" and target.partition("?")[0].endswith("/secrets"):
            refusal = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "secrets is forbidden"}
            return WholeReply(403, {}, json.dumps(refusal).encode())
        return await self._inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)

    def stream(
        self, target: str, *, headers: Mapping[str, str], connect_timeout_seconds: float, idle_timeout_seconds: float
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Refuse the watch of Secrets."""
        if target.partition("?")[0].endswith("/secrets"):
            raise Forbidden(403, "Forbidden", "secrets is forbidden")
        return self._inner.stream(
            target,
            headers=headers,
            connect_timeout_seconds=connect_timeout_seconds,
            idle_timeout_seconds=idle_timeout_seconds,
        )

    async def aclose(self) -> None:
        """Close what is around it."""
        await self._inner.aclose()
