"""Who may see a page: what the API server says of a token and its rights, and for how long that counts."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

import pytest

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.pageguard import (
    ACCESS_REVIEWS,
    ADMITTED_SECONDS,
    REFUSED_SECONDS,
    TOKEN_REVIEWS,
    VERDICTS_MAX,
    PageGuard,
)
from kubechain.runtime.transport import Reply, WholeReply
from test.runtime.fake_apiserver import FakeApiServer, Sent, failure

PROMETHEUS = {
    "username": "system:serviceaccount:monitoring:prometheus",
    "uid": "u",
    "groups": ["g"],
    "extra": {"k": ["v"]},
}


class Reviewer:
    """An API server that knows one token."""

    def __init__(self, *, may_read: bool = True) -> None:
        self.server, self.may_read = FakeApiServer(), may_read
        self.server.fails = self.answer
        self.guard = PageGuard(Client(self.server, clock=LoopClock()), LoopClock())

    def answer(self, sent: Sent) -> Reply | None:
        assert sent.body is not None
        spec = sent.body["spec"]
        if sent.target == TOKEN_REVIEWS:
            is_known = spec["token"] == "known"
            status = {"authenticated": True, "user": PROMETHEUS} if is_known else {"error": "unknown"}
        else:
            assert sent.target == ACCESS_REVIEWS
            assert spec.pop("nonResourceAttributes") == {"path": "/metrics", "verb": "get"}
            assert spec == {
                "user": PROMETHEUS["username"],
                **{key: PROMETHEUS[key] for key in ("uid", "groups", "extra")},
            }
            status = {"allowed": self.may_read}
        return WholeReply(201, {}, json.dumps({"status": status}).encode())

    async def admit(self, authorization: str) -> HTTPStatus:
        return await self.guard.admit("/metrics", authorization)


@pytest.mark.parametrize(
    ("authorization", "may_read", "verdict"),
    [
        pytest.param("", True, HTTPStatus.UNAUTHORIZED, id="nobody says who asks"),
        pytest.param("Basic a25vd24=", True, HTTPStatus.UNAUTHORIZED, id="by a password"),
        pytest.param("Bearer ", True, HTTPStatus.UNAUTHORIZED, id="an empty token"),
        pytest.param("Bearer other", True, HTTPStatus.UNAUTHORIZED, id="a token that nobody knows"),
        pytest.param("Bearer known", False, HTTPStatus.FORBIDDEN, id="without the right"),
        pytest.param("bearer known", True, HTTPStatus.OK, id="with the right"),
    ],
)
async def test_a_page_is_for_those_who_may_see_it(authorization: str, may_read: bool, verdict: HTTPStatus) -> None:
    assert await Reviewer(may_read=may_read).admit(authorization) == verdict


@pytest.mark.parametrize(
    ("may_read", "seconds"),
    [
        pytest.param(True, ADMITTED_SECONDS, id="who was admitted"),
        pytest.param(False, REFUSED_SECONDS, id="who was refused"),
    ],
)
async def test_a_verdict_counts_for_a_while(may_read: bool, seconds: float) -> None:
    reviewer = Reviewer(may_read=may_read)
    first = await reviewer.admit("Bearer known")
    reviewer.may_read = not may_read
    await asyncio.sleep(seconds - 1)
    assert await reviewer.admit("Bearer known") == first
    assert len(reviewer.server.sent) == 2
    await asyncio.sleep(1)
    assert await reviewer.admit("Bearer known") != first


async def test_while_the_api_server_cannot_be_asked_nobody_sees_anything() -> None:
    reviewer = Reviewer()
    reviewer.server.fails = lambda sent: failure(403, "Forbidden", "tokenreviews is forbidden")
    assert await reviewer.admit("Bearer known") == HTTPStatus.INTERNAL_SERVER_ERROR
    reviewer.server.fails = reviewer.answer
    assert await reviewer.admit("Bearer known") == HTTPStatus.OK


async def test_a_flood_of_tokens_fills_no_memory_and_not_the_api_server() -> None:
    reviewer = Reviewer()
    reviewer.server.delay_seconds = 1.0
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(reviewer.admit(f"Bearer {number}") for number in range(2 * VERDICTS_MAX)))
    assert asyncio.get_running_loop().time() - started >= 2 * VERDICTS_MAX / 4
    reviewer.server.sent.clear()
    await reviewer.admit("Bearer 0")
    assert len(reviewer.server.sent) == 1
