"""Malformed bodies: whatever a client sends, it is told what is wrong with it; the server does not stumble over it."""

from __future__ import annotations

import random
from typing import Any, Final, cast

import orjson
import pytest

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.wire.authn import Tokens
from kubechain_apiserver.wire.http_types import HttpRequest
from kubechain_apiserver.wire.json_types import JsonObject
from packages.apiserver.test.objects import API_VERSION, a_crd

CORE: Final = "/api/v1/namespaces/default"
WIDGETS: Final = "/apis/example.com/v1/namespaces/default/widgets"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
EVENTS: Final = "/apis/events.k8s.io/v1/namespaces/default/events"
META: Final[JsonObject] = {"name": "n", "labels": {"a": "b"}, "finalizers": ["a.b/c"]}
OWNER: Final = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}
OBJECTS: Final[dict[str, JsonObject]] = {
    WIDGETS: {
        "apiVersion": API_VERSION,
        "kind": "Widget",
        "metadata": {**META, "ownerReferences": [OWNER]},
        "spec": {"message": "hi", "tags": ["a"], "ports": [{"name": "x", "port": 1}], "counts": {"k": 1}},
    },
    f"{CORE}/configmaps": {"kind": "ConfigMap", "metadata": META, "data": {"a": "b"}, "binaryData": {"b": "AAAA"}},
    f"{CORE}/secrets": {"kind": "Secret", "metadata": META, "data": {"a": "AAAA"}, "stringData": {"b": "x"}},
    f"{CORE}/serviceaccounts": {"kind": "ServiceAccount", "metadata": META, "secrets": [{"name": "x"}]},
    f"{CORE}/events": {"metadata": META, "involvedObject": {"kind": "X", "namespace": "default"}, "reason": "r"},
    EVENTS: {"metadata": META, "regarding": {"kind": "X"}, "eventTime": "2020-01-01T00:00:00.000000Z"},
    LEASES: {"metadata": META, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 5}},
    "/api/v1/namespaces": {"metadata": META, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
}
VALUES: Final[tuple[Any, ...]] = (
    *(None, 5, -1, 2.5, 3.0, 2**63, "x", "", "a b", True, [], {}, [1], ["a", "a"], [None], [[1]], [{}]),
    *({"a": 1}, {"a": None}, [{"name": "x"}, {"name": "x"}], [{"uid": 5}], {"$patch": "delete"}, [{"$patch": 5}]),
)
NAMES: Final = (
    *("apiVersion", "kind", "metadata", "spec", "status", "data", "type", "conditions", "phase", "series", "reason"),
    *("name", "labels", "finalizers", "ownerReferences", "managedFields", "uid", "resourceVersion", "generation"),
    *("creationTimestamp", "deletionTimestamp", "message", "tags", "ports", "counts", "when", "preconditions"),
    *("$setElementOrder/finalizers", "$deleteFromPrimitiveList/finalizers", "$retainKeys", "propagationPolicy"),
)
PATCHES: Final = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "json-patch+json")


def anything(dice: random.Random, depth: int = 0) -> Any:
    if depth > 3 or dice.random() < 0.4:
        return dice.choice(VALUES)
    if dice.random() < 0.3:
        return [anything(dice, depth + 1) for _ in range(dice.randint(0, 3))]
    return {dice.choice(NAMES): anything(dice, depth + 1) for _ in range(dice.randint(0, 4))}


def damaged(value: Any, dice: random.Random) -> Any:
    """A value of which some parts are missing, of another type, or too many."""
    if dice.random() < 0.1:
        return anything(dice)
    match value:
        case dict():
            kept = cast("JsonObject", value).items()
            fields = {name: damaged(item, dice) for name, item in kept if dice.random() > 0.05}
            return {**fields, dice.choice(NAMES): anything(dice)} if dice.random() < 0.2 else fields
        case list():
            return [damaged(item, dice) for item in cast("list[Any]", value)]
        case _:
            return value


def a_request(dice: random.Random) -> HttpRequest:
    path = dice.choice([*OBJECTS])
    whole = f"{path}/n{dice.choice(['', '', '/status'])}"
    body = damaged(OBJECTS[path], dice)
    method, target, media = dice.choice(
        [
            ("POST", path, "json"),
            ("POST", path, "yaml"),
            ("PUT", whole, "json"),
            *(("PATCH", whole, media) for media in PATCHES),
            ("DELETE", whole, "json"),
        ]
    )
    query = dice.choice(["", "fieldValidation=Strict", "fieldValidation=Ignore", "dryRun=All"])
    headers = {"content-type": f"application/{media}", "user-agent": "tester/1"}
    return HttpRequest(method, target, f"fieldManager={dice.choice('ab')}&{query}", headers, orjson.dumps(body))


@pytest.mark.parametrize("depth", [300, 900, 5_000, 100_000])
async def test_what_is_nested_too_deep_is_refused_and_nothing_of_it_is_kept(depth: int) -> None:
    server = ApiServer(Engine(environment=SeededEnvironment()), tokens=Tokens("admin"), now=lambda: 0.0)
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"data":%s}' % nested
    path = "/api/v1/namespaces/default/configmaps"
    reply = await server.handle(HttpRequest("POST", path, "", {"content-type": "application/json"}, body))
    assert reply.status == 400
    assert (await server.handle(HttpRequest("GET", f"{path}/deep", "", {}, b""))).status == 404


@pytest.mark.parametrize("seed", range(8))
async def test_no_body_makes_the_server_stumble(seed: int) -> None:
    dice = random.Random(seed)
    engine = Engine(environment=SeededEnvironment())
    server = ApiServer(engine, tokens=Tokens("admin"), now=lambda: 0.0)
    json = {"content-type": "application/json"}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await server.handle(HttpRequest("POST", definitions, "", json, orjson.dumps(a_crd())))).status == 201
    for _ in range(400):
        for path, body in OBJECTS.items():
            if dice.random() < 0.05:
                await server.handle(HttpRequest("POST", path, "", json, orjson.dumps(body)))
        request = a_request(dice)
        reply = await server.handle(request)
        assert isinstance(reply.body, bytes)
        assert orjson.loads(reply.body).get("reason") != "InternalError", request
