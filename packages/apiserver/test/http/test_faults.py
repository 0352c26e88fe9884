"""Faults happen where the rules say, as often as the seed says, and look to clients like the real thing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import aiohttp
import pytest

from kubechain_apiserver.controlplane import ControlPlane
from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.http.faults import (
    Delay,
    DropWatch,
    Effect,
    Expire,
    Faults,
    LoseReply,
    LoseRequest,
    Refuse,
    Rule,
)
from kubechain_apiserver.http.inprocess import InProcessExchange, Reply
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.wire.authn import Tokens

MAPS = "/api/v1/namespaces/default/configmaps"


class Lost(Exception):
    """What the client of these tests takes for a lost connection."""


def a_client(*rules: Rule, seed: int = 0) -> tuple[InProcessExchange, Faults]:
    faults = Faults(rules, seed=seed)
    server = ApiServer(Engine(environment=SeededEnvironment()), tokens=Tokens("token"), now=lambda: 0.0)
    return InProcessExchange(faults.around(server), lost=Lost), faults


async def ask(client: InProcessExchange, method: str, target: str, body: Any = None) -> Reply:
    data = None if body is None else json.dumps(body).encode()
    return await client.send(method, target, headers={}, body=data, timeout_seconds=1)


def a_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_a_lost_reply_leaves_the_write_done() -> None:
    client, _ = a_client(Rule(LoseReply(), verbs={"create"}))
    with pytest.raises(Lost):
        await ask(client, "POST", MAPS, a_map("a"))
    assert (await ask(client, "GET", f"{MAPS}/a")).status == 200


async def test_a_lost_request_leaves_nothing() -> None:
    client, _ = a_client(Rule(LoseRequest(), verbs={"create"}))
    with pytest.raises(Lost):
        await ask(client, "POST", MAPS, a_map("a"))
    assert (await ask(client, "GET", f"{MAPS}/a")).status == 404


async def test_a_refusal_tells_when_to_come_back_and_changes_nothing() -> None:
    client, faults = a_client(Rule(Refuse(429, 3), verbs={"create"}, limit=1))
    reply = await ask(client, "POST", MAPS, a_map("a"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")
    assert json.loads(reply.body)["details"] == {"retryAfterSeconds": 3}
    assert (await ask(client, "POST", MAPS, a_map("a"))).status == 201, "the limit was one"
    assert faults.counts.total() == 1


@pytest.mark.parametrize(
    ("rule", "method", "target", "status"),
    [
        (Rule(Refuse(), verbs={"list"}), "GET", MAPS, 503),
        (Rule(Refuse(), verbs={"list"}), "GET", f"{MAPS}/kube-root-ca.crt", 404),
        (Rule(Refuse(), resources={"secrets"}), "GET", MAPS, 200),
        (Rule(Refuse(), resources={"namespaces/status"}), "GET", "/api/v1/namespaces/default/status", 503),
        (Rule(Refuse(), resources={"namespaces/status"}), "GET", "/api/v1/namespaces/default", 200),
        (Rule(Refuse(), namespaces={"other"}), "GET", MAPS, 200),
        (Rule(Refuse()), "GET", "/readyz", 200),
        (Rule(Refuse()), "GET", "/apis", 200),
        (Rule(Refuse(), probability=0.0), "GET", MAPS, 200),
        (Rule(Expire()), "GET", MAPS, 410),
        (Rule(Expire()), "GET", "/api/v1/namespaces/default", 200),
        (Rule(DropWatch(0, 0)), "GET", MAPS, 200),
        (Rule(Delay(0, 0)), "GET", MAPS, 200),
    ],
    ids=[
        "the verb of the rule",
        "another verb",
        "another resource",
        "a subresource",
        "not the object itself where the subresource is meant",
        "another namespace",
        "health never suffers",
        "discovery never suffers",
        "improbable",
        "a list expires",
        "a get cannot expire",
        "only a watch can be dropped",
        "a delay only delays",
    ],
)
async def test_a_rule_concerns(rule: Rule, method: str, target: str, status: int) -> None:
    client, _ = a_client(rule)
    assert (await ask(client, method, target)).status == status


async def hits(effects: Iterable[Effect], seed: int) -> list[int]:
    client, _ = a_client(*[Rule(effect, probability=0.3) for effect in effects], seed=seed)
    return [(await ask(client, "GET", MAPS)).status for _ in range(200)]


async def test_equal_seeds_give_equal_faults() -> None:
    effects = (Refuse(503), Refuse(429))
    first, again, other = [await hits(effects, seed) for seed in (1, 1, 2)]
    assert first == again
    assert first != other
    assert 30 <= first.count(503) <= 90, "three in ten"


async def test_a_dropped_watch_breaks_off_and_others_go_on() -> None:
    client, _ = a_client(Rule(DropWatch(0, 0), limit=1))
    target = f"{MAPS}?watch=1&timeoutSeconds=1"
    async with client.stream(target, headers={}, connect_timeout_seconds=1, idle_timeout_seconds=1) as reply:
        assert reply.status == 200
        with pytest.raises(Lost):
            [line async for line in reply.lines]
    async with client.stream(target, headers={}, connect_timeout_seconds=1, idle_timeout_seconds=1) as reply:
        async for _ in reply.lines:
            pass  # this one ends by itself, at its time-out


async def test_rules_can_change_at_any_time() -> None:
    client, faults = a_client()
    assert (await ask(client, "GET", MAPS)).status == 200
    faults.rules.append(Rule(Refuse(500)))
    assert (await ask(client, "GET", MAPS)).status == 500
    faults.rules.clear()
    assert (await ask(client, "GET", MAPS)).status == 200


async def test_http_clients_see_the_connection_break() -> None:
    faults = Faults([Rule(LoseReply(), verbs={"create"}), Rule(DropWatch(0, 0))])
    async with ControlPlane(faults=faults) as plane, aiohttp.ClientSession() as session:
        token = {"authorization": f"Bearer {(plane.folder / 'token').read_text()}"}
        url = f"{plane.url}{MAPS}"
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(url, json=a_map("a"), headers=token, ssl=False)
        async with session.get(f"{url}/a", headers=token, ssl=False) as reply:
            assert reply.status == 200, "it was applied"
        async with session.get(f"{url}?watch=1&resourceVersion=1", headers=token, ssl=False) as reply:
            assert reply.status == 200
            with pytest.raises(aiohttp.ClientError):
                await reply.read()
