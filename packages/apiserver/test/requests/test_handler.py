"""The API server as one function: a request in, a response out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.requests.handler import ApiServer
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.store.history import History
from kubechain_apiserver.wire.authn import Tokens, User
from kubechain_apiserver.wire.errors import REQUEST_LIMIT_BYTES
from kubechain_apiserver.wire.http_types import HttpRequest, HttpResponse
from packages.apiserver.test.resources import a_crd

TASKS = "/apis/g.io/v1/namespaces/default/tasks"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Client:
    """Sends requests to a server of its own, in which the kind Task is installed."""

    def __init__(self, history: History | None = None) -> None:
        self.environment = SeededEnvironment()
        self.engine = Engine(environment=self.environment, history=history)
        now = self.environment.now
        self.server = ApiServer(self.engine, tokens=Tokens("admin"), now=now, draw=lambda: 0.5)

    async def send(
        self, method: str, path: str, body: Any = None, *, content_type: str = "", accept: str = ""
    ) -> HttpResponse:
        path, _, query = path.partition("?")
        headers = {"content-type": content_type, "accept": accept, "user-agent": "kubectl/v1 (linux)"}
        content = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        return await self.server.handle(HttpRequest(method, path, query, headers, content))

    async def json(self, method: str, path: str, body: Any = None, *, content_type: str = "", accept: str = "") -> Any:
        return parsed(await self.send(method, path, body, content_type=content_type, accept=accept))

    async def make(self, *names: str, path: str = TASKS, labels: dict[str, str] | None = None) -> None:
        for name in names:
            made = await self.send("POST", path, a_task(name, labels=labels or {}))
            assert made.status == 201, made.body


def a_task(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "g.io/v1", "kind": "Task", "metadata": metadata, "spec": {"message": "hello", **spec}}


def parsed(response: HttpResponse) -> Any:
    assert isinstance(response.body, bytes)
    return orjson.loads(response.body)


async def with_tasks(client: Client) -> Client:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await client.send("POST", path, a_crd())).status == 201
    return client


@pytest.fixture
async def client() -> Client:
    return await with_tasks(Client())


async def test_an_object_lives_and_dies(client: Client) -> None:
    made = await client.send("POST", TASKS, a_task("a"))
    assert made.status == 201
    assert (await client.json("GET", f"{TASKS}/a"))["spec"]["message"] == "hello"
    patched = await client.send(
        "PATCH", f"{TASKS}/a", {"spec": {"message": "bye"}}, content_type="application/merge-patch+json"
    )
    assert (patched.status, parsed(patched)["metadata"]["generation"]) == (200, 2)
    current = parsed(patched)
    assert (await client.send("PUT", f"{TASKS}/a", {**current, "spec": {"message": "again"}})).status == 200
    assert (await client.send("PUT", f"{TASKS}/a", current)).status == 409
    deleted = await client.json("DELETE", f"{TASKS}/a", {"preconditions": {"uid": current["metadata"]["uid"]}})
    assert deleted["status"] == "Success"
    assert (await client.send("GET", f"{TASKS}/a")).status == 404


async def test_status_is_a_subresource(client: Client) -> None:
    await client.make("a")
    merge = "application/merge-patch+json"
    await client.send("PATCH", f"{TASKS}/a/status", {"status": {"phase": "Done"}}, content_type=merge)
    task = await client.json("GET", f"{TASKS}/a/status")
    assert (task["status"], task["metadata"]["generation"]) == ({"phase": "Done"}, 1)


async def test_a_list_comes_in_pages(client: Client) -> None:
    await client.make("a", "b", "c")
    first = await client.json("GET", f"{TASKS}?limit=2")
    assert (first["kind"], first["apiVersion"]) == ("TaskList", "g.io/v1")
    assert [i["metadata"]["name"] for i in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    rest = await client.json("GET", f"{TASKS}?limit=2&continue={first['metadata']['continue']}")
    assert [i["metadata"]["name"] for i in rest["items"]] == ["c"]
    assert rest["metadata"]["continue"] == ""


async def test_lists_are_selected(client: Client) -> None:
    await client.make("a", labels={"k": "v"})
    await client.make("b")
    by_label = await client.json("GET", f"{TASKS}?labelSelector=k%3Dv")
    by_field = await client.json("GET", "/apis/g.io/v1/tasks?fieldSelector=metadata.name%3Db")
    names = [[i["metadata"]["name"] for i in found["items"]] for found in (by_label, by_field)]
    assert names == [["a"], ["b"]]


async def test_a_table_has_the_columns_of_the_kind(client: Client) -> None:
    await client.make("a")
    table = await client.json("GET", TASKS, accept=TABLE)
    assert table["kind"] == "Table"
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Phase", "Message"]
    assert table["rows"][0]["cells"] == ["a", None, "hello"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    one = await client.json("GET", f"{TASKS}/a?includeObject=None", accept=TABLE)
    assert one["rows"] == [{"cells": ["a", None, "hello"], "object": None}]


async def test_metadata_alone_is_served(client: Client) -> None:
    await client.make("a")
    listed = await client.json("GET", TASKS, accept=PARTIAL.replace("Metadata;", "MetadataList;"))
    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}
    assert (await client.json("GET", f"{TASKS}/a", accept=PARTIAL))["kind"] == "PartialObjectMetadata"


async def test_unknown_fields_are_warned_about(client: Client) -> None:
    response = await client.send("POST", TASKS, a_task("a", mesage='"x"'))
    assert response.status == 201
    assert response.headers["warning"] == '299 - "unknown field \\"spec.mesage\\""'
    strict = await client.send("POST", f"{TASKS}?fieldValidation=Strict", a_task("b", mesage="x"))
    assert (strict.status, parsed(strict)["reason"]) == (400, "BadRequest")


async def test_warnings_come_with_a_refusal_too(client: Client) -> None:
    response = await client.send("POST", TASKS, a_task("a", mesage="x", count=-1))
    assert response.status == 422
    assert 'unknown field \\"spec.mesage\\"' in response.headers["warning"]


async def test_a_dry_run_keeps_nothing(client: Client) -> None:
    assert (await client.send("POST", f"{TASKS}?dryRun=All", a_task("a"))).status == 201
    assert (await client.json("GET", TASKS))["items"] == []


async def test_a_collection_is_deleted(client: Client) -> None:
    await client.make("a", labels={"k": "v"})
    await client.make("b")
    deleted = await client.json("DELETE", f"{TASKS}?labelSelector=k%3Dv")
    assert [i["metadata"]["name"] for i in deleted["items"]] == ["a"]
    assert [i["metadata"]["name"] for i in (await client.json("GET", TASKS))["items"]] == ["b"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("GET", "/nope", 404, id="no such path"),
        pytest.param("GET", "/apis/nope.io/v1", 404, id="no such group"),
        pytest.param("GET", "/api/v1/namespaces/default/nopes", 404, id="no such resource"),
        pytest.param("GET", f"{TASKS}/a/nope", 404, id="no such subresource"),
        pytest.param("GET", f"{CONFIG_MAPS}/nope", 404, id="no such object"),
        pytest.param("GET", "/api/v1/namespaces/default/namespaces/x", 404, id="cluster-wide below a namespace"),
        pytest.param("PUT", TASKS, 400, id="update of a collection"),
        pytest.param("POST", f"{TASKS}/a", 405, id="create of a name"),
        pytest.param("POST", "/apis/g.io/v1/tasks", 404, id="create without a namespace"),
        pytest.param("POST", "/version", 405, id="a document that is written"),
        pytest.param("DELETE", "/api/v1/namespaces/default/pods", 405, id="a kind that is always empty"),
        pytest.param("GET", f"{TASKS}?limit=x", 400, id="a limit that is no number"),
        pytest.param("GET", f"{TASKS}?labelSelector=%21%21", 400, id="a selector that cannot be read"),
    ],
)
async def test_refusals(client: Client, method: str, path: str, expected: int) -> None:
    assert (await client.send(method, path)).status == expected


@pytest.mark.parametrize(
    ("content_type", "accept", "body", "expected"),
    [
        pytest.param("application/json", "", b"{", (400, "BadRequest"), id="broken JSON"),
        pytest.param("application/cbor", "", b"{}", (415, "UnsupportedMediaType"), id="an unknown encoding"),
        pytest.param("", "application/cbor", a_task("a"), (406, "NotAcceptable"), id="an unacceptable answer"),
        pytest.param("", "", b"x" * (REQUEST_LIMIT_BYTES + 1), (413, "RequestEntityTooLarge"), id="too large"),
    ],
)
async def test_bodies_that_are_refused(
    client: Client, content_type: str, accept: str, body: Any, expected: tuple[int, str]
) -> None:
    response = await client.send("POST", TASKS, body, content_type=content_type, accept=accept)
    status = parsed(response)
    assert (response.status, status["kind"], status["reason"]) == (expected[0], "Status", expected[1])


async def test_a_patch_of_an_unknown_type_is_refused(client: Client) -> None:
    await client.make("a")
    response = await client.send("PATCH", f"{TASKS}/a", {}, content_type="application/json")
    assert response.status == 415


async def test_a_defect_is_a_500_and_does_not_show_what_was_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(client.engine, "list", broken)
    response = await client.send("GET", TASKS)
    assert response.status == 500
    assert isinstance(response.body, bytes)
    assert b"s3cret" not in response.body
    assert "request failed" in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/ping"])
async def test_health(client: Client, path: str) -> None:
    assert (await client.send("GET", path)).body == b"ok"
    verbose = (await client.send("GET", f"{path}?verbose")).body
    assert isinstance(verbose, bytes)
    assert b"check passed" in verbose


async def test_documents_are_not_sent_twice(client: Client) -> None:
    first = await client.send("GET", "/openapi/v2")
    headers = {"if-none-match": first.headers["etag"]}
    again = await client.server.handle(HttpRequest("GET", "/openapi/v2", "", headers))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/", "/version", "/api", "/apis", "/api/v1", "/apis/g.io", "/apis/g.io/v1", "/openapi/v2", "/openapi/v3"]
)
async def test_documents_are_json(client: Client, path: str) -> None:
    response = await client.send("GET", path, accept="application/json")
    assert response.status == 200
    assert parsed(response)


async def test_discovery_follows_definitions(client: Client) -> None:
    before = await client.json("GET", "/apis")
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tasks.g.io"
    assert (await client.send("DELETE", crd)).status == 200
    after = await client.json("GET", "/apis")
    assert {g["name"] for g in before["groups"]} - {g["name"] for g in after["groups"]} == {"g.io"}
    assert (await client.send("GET", TASKS)).status == 404


async def test_openapi_v3_has_a_document_for_each_version(client: Client) -> None:
    index = await client.json("GET", "/openapi/v3")
    for entry in index["paths"].values():
        document = await client.json("GET", entry["serverRelativeURL"])
        assert document["openapi"] == "3.0.0"


async def test_reviews_say_yes(client: Client) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    spec = {"resourceAttributes": {"verb": "create", "resource": "tasks"}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    answer = await client.json("POST", path, review)
    assert (answer["status"]["allowed"], answer["spec"]) == (True, spec)


async def test_a_review_knows_who_asks(client: Client) -> None:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    request = HttpRequest("POST", path, "", {}, b"{}")
    answer = parsed(await client.server.handle(request, User("bot", ("g",))))
    assert answer["status"]["userInfo"] == {"username": "bot", "groups": ["g"]}


async def test_tokens_are_issued_to_service_accounts_that_exist(client: Client) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    assert (await client.send("POST", f"{accounts}/bot/token", body)).status == 404
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    assert (await client.send("POST", accounts, account)).status == 201
    issued = await client.json("POST", f"{accounts}/bot/token", body)
    assert issued["spec"]["expirationSeconds"] == 600
    assert issued["status"]["token"]


async def test_a_watch_is_lines_of_json(client: Client) -> None:
    await client.make("a")
    stream = (await client.send("GET", f"{TASKS}?watch=1&timeoutSeconds=1")).body
    assert not isinstance(stream, bytes)
    await client.make("b")
    events = [orjson.loads(line) for chunk in [await anext(stream)] for line in chunk.splitlines()]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [("ADDED", "a"), ("ADDED", "b")]
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_watch_of_tables_names_the_columns_once(client: Client) -> None:
    await client.make("a", "b")
    stream = (await client.send("GET", f"{TASKS}?watch=1", accept=TABLE)).body
    assert not isinstance(stream, bytes)
    first, second = (orjson.loads(line)["object"] for line in (await anext(stream)).splitlines())
    assert first["columnDefinitions"]
    assert second["columnDefinitions"] is None
    assert second["rows"][0]["cells"] == ["b", None, "hello"]
    await stream.aclose()


async def test_a_watch_of_metadata(client: Client) -> None:
    await client.make("a")
    stream = (await client.send("GET", f"{TASKS}?watch=1", accept=PARTIAL)).body
    assert not isinstance(stream, bytes)
    event = orjson.loads(await anext(stream))
    assert (event["object"]["kind"], "spec" in event["object"]) == ("PartialObjectMetadata", False)
    await stream.aclose()


async def test_a_watch_of_one_object_is_a_get(client: Client) -> None:
    await client.make("a")
    assert (await client.json("GET", f"{TASKS}/a?watch=1"))["metadata"]["name"] == "a"


async def test_bookmarks_come_in_every_form(client: Client) -> None:
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    await client.make("a")
    for accept in ("", TABLE, PARTIAL):
        stream = (await client.send("GET", f"{TASKS}?{query}", accept=accept)).body
        assert not isinstance(stream, bytes)
        events = [orjson.loads(line) for line in (await anext(stream)).splitlines()]
        assert [e["type"] for e in events] == ["ADDED", "BOOKMARK"]
        await stream.aclose()


async def test_forms_of_lists_are_not_for_objects(client: Client) -> None:
    await client.make("a")
    assert (await client.send("GET", TASKS, accept=PARTIAL)).status == 406
    # A custom object is refused late, and not as unacceptable: as in kube-apiserver.
    assert (await client.send("GET", f"{TASKS}/a", accept=PARTIAL.replace("Metadata;", "MetadataList;"))).status == 500


@pytest.mark.parametrize("accept", ["", TABLE, PARTIAL])
async def test_an_expired_watch_says_410_in_every_form(accept: str) -> None:
    client = await with_tasks(Client(History(1, max_count=2)))
    await client.make("a", "b", "c")
    stream = (await client.send("GET", f"{TASKS}?watch=1&resourceVersion=1", accept=accept)).body
    assert not isinstance(stream, bytes)
    event = orjson.loads(await anext(stream))
    assert (event["type"], event["object"]["kind"], event["object"]["code"]) == ("ERROR", "Status", 410)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_closed_watch_holds_nothing(client: Client) -> None:
    stream = (await client.send("GET", f"{TASKS}?watch=1")).body
    assert not isinstance(stream, bytes)
    assert client.engine.statistics()["watchers"] == 1
    await stream.aclose()
    assert client.engine.statistics()["watchers"] == 0
