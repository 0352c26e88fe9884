"""Whether who asks for a page of the metrics server may have it: the API server knows the token, and its rights.

As controller-runtime's `WithAuthenticationAndAuthorization`: a TokenReview tells who sent the bearer token, and a
SubjectAccessReview whether they may `get` the path, as a rule with `nonResourceURLs` says.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from http import HTTPStatus
from typing import Any

import structlog

from kubechain.net.foreign import error_text
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import ApiError, TransportError

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105  a path
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

ADMITTED_SECONDS = 60.0
"""How long a token stays admitted without another review: Prometheus asks about twice a minute."""

REFUSED_SECONDS = 10.0
"""How long it stays refused: a right that was given counts soon, and a flood of one token costs few reviews."""

VERDICTS_MAX = 256
"""Bounds memory, whatever tokens are sent."""

REVIEWS_MAX = 4
"""Reviews at the same time: a flood of tokens must not delay the manager's own requests."""

_SCHEME = "bearer "


class PageGuard:
    """Asks the API server who sends a request and what they may see, and keeps the verdict for a while."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """Create it; the manager needs the right to create both reviews."""
        self._client = client
        self._clock = clock
        self._verdicts: OrderedDict[tuple[bytes, str], tuple[HTTPStatus, float]] = OrderedDict()
        self._reviews = asyncio.Semaphore(REVIEWS_MAX)

    async def admit(self, path: str, authorization: str) -> HTTPStatus:
        """Judge a request.

        Args:
            path: of the page.
            authorization: the header; empty where there is none.

        Returns:
            200, 401 for nobody that the API server knows, 403 without the right, 500 where it cannot be asked.
        """
        if not authorization.lower().startswith(_SCHEME):
            return HTTPStatus.UNAUTHORIZED
        token = authorization[len(_SCHEME) :].strip()
        key = hashlib.sha256(token.encode()).digest(), path
        known, until = self._verdicts.get(key, (None, 0.0))
        if known is not None and self._clock.monotonic() < until:
            return known
        try:
            async with self._reviews:
                verdict = await self._review(path, token)
        except (ApiError, TransportError) as error:
            log.warning("cannot review who asks for a page", path=path, error=error_text(error))
            return HTTPStatus.INTERNAL_SERVER_ERROR
        self._keep(key, verdict)
        return verdict

    def _keep(self, key: tuple[bytes, str], verdict: HTTPStatus) -> None:
        seconds = ADMITTED_SECONDS if verdict is HTTPStatus.OK else REFUSED_SECONDS
        self._verdicts[key] = verdict, self._clock.monotonic() + seconds
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > VERDICTS_MAX:
            self._verdicts.popitem(last=False)

    async def _review(self, path: str, token: str) -> HTTPStatus:
        sender = await self._ask(TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
        if not token or not sender.get("authenticated"):
            return HTTPStatus.UNAUTHORIZED
        user = sender.get("user", {})
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups", []),
            "extra": user.get("extra", {}),
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        answer = await self._ask(ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", spec)
        is_allowed = answer.get("allowed") and not answer.get("denied")
        return HTTPStatus.OK if is_allowed else HTTPStatus.FORBIDDEN

    async def _ask(self, target: str, api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        review = {"apiVersion": api_version, "kind": kind, "spec": spec}
        answer = await self._client.request("POST", target, body=json.dumps(review).encode())
        return json.loads(answer).get("status", {})
