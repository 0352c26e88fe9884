"""Asks the API server whether it permits to list and watch a kind, and follows an optional kind only where it does.

A right that is given later counts from the next start; one that is taken away counts when a list or watch is refused.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from kubechain.net.backoff import Backoff
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, Forbidden, TransportError
from kubechain.runtime.outages import Outages, rule_for
from kubechain.runtime.reflector import Reflector
from kubechain.runtime.resource import Resource

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
"""`system:basic-user` lets everybody who is authenticated ask about himself."""

VERBS = ("list", "watch")
"""What a cache needs."""

ASK_AGAIN = Backoff(initial_seconds=0.8, max_seconds=30.0)
"""While the server does not answer."""

_NO_REVIEWS = 404


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the API server lets this process follow."""

    client: Client
    clock: Clock
    outages: Outages

    async def follow(self, reflector: Reflector, resource: Resource[Any]) -> None:
        """Run the reflector of an optional kind as long as the server permits it; return where it does not."""
        if await self._may_follow(resource, reflector.namespace):
            with suppress(Forbidden):
                await reflector.run()
            rule = rule_for(resource, ", ".join(VERBS), reflector.namespace)
            log.warning("a permission is missing, no longer watching", kind=resource.kind, missing_rule=rule)
        reflector.leave()

    async def _may_follow(self, resource: Resource[Any], namespace: str | None) -> bool:
        """Ask until the server answers."""
        what, failures = f"may we watch {resource.plural}", 0
        while True:
            try:
                answer = await self._is_permitted(resource, namespace)
            except (ApiError, TransportError) as error:
                self.outages.failed(error, what=what)
                await self.clock.sleep(ASK_AGAIN.seconds(failures))
                failures += 1
            else:
                self.outages.succeeded(what)
                return answer

    async def _is_permitted(self, resource: Resource[Any], namespace: str | None) -> bool:
        """Whether the server permits every verb; a server that has no such reviews is asked by a watch."""
        try:
            return all(await asyncio.gather(*(self._review(verb, resource, namespace) for verb in VERBS)))
        except Forbidden:
            return False
        except ApiError as error:
            if error.status == _NO_REVIEWS:
                return True
            raise

    async def _review(self, verb: str, resource: Resource[Any], namespace: str | None) -> bool:
        asked = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace}
        spec = {"resourceAttributes": {name: value for name, value in asked.items() if value}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
        answer = await self.client.request("POST", REVIEWS, body=json.dumps(review).encode())
        return bool(json.loads(answer)["status"].get("allowed"))
