"""Identities of a cloud, from a Secret to a model call: tokens are fetched, and follow the Secret in mid-run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import API_VERSION, a_builtin, a_secret, a_task, an_agent, refs
from test.e2e.processes import Program
from test.e2e.servers.vertex import Vertex

RUN = "hello-world-task-1"


@pytest.fixture
def vertex() -> Iterator[Vertex]:
    with Vertex() as vertex:
        yield vertex


def an_llm_on(vertex: Vertex) -> dict[str, Any]:
    spec = {
        "provider": "vertex",
        "vertex": {"cloudProject": "moonville", "cloudLocation": "eu"},
        "apiKeyFrom": {"secretKeyRef": {"name": "google", "key": "credentials.json"}},
        "parameters": {"model": "claude-of-moonville", "baseUrl": f"{vertex.url}/v1"},
    }
    return {"apiVersion": API_VERSION, "kind": "LLM", "metadata": {"name": "gpt-4o"}, "spec": spec}


def test_a_key_that_is_rotated_in_mid_run_costs_the_run_nothing(
    namespace: Namespace, vertex: Vertex, manager: Program
) -> None:
    first = {"credentials.json": vertex.new_key("key-1")}
    namespace.apply(a_secret("google", **first), an_llm_on(vertex), a_builtin())
    namespace.wait("llm/gpt-4o", "{.status.status}", "Ready")
    namespace.apply(an_agent(tools=refs("add")), a_task())
    assert vertex.first_call.wait(60)
    second = {"credentials.json": vertex.new_key("key-2")}  # from now on tokens of the first are refused
    namespace.apply(a_secret("google", **second))
    vertex.gate.set()
    status = namespace.finished(RUN)["status"]
    assert (status["phase"], status["output"]) == ("FinalAnswer", "Moonville")
    assert vertex.used == ["key-1", "key-2"]
    place = "/v1/projects/moonville/locations/eu/publishers/anthropic/models/claude-of-moonville:rawPredict"
    assert set(vertex.paths) == {place}
    told = manager.log.read_text() + json.dumps(namespace.get("llm", "gpt-4o")) + json.dumps(status)
    assert "ya29" not in told
    assert "PRIVATE KEY" not in told


def test_a_key_that_the_project_does_not_know_is_an_error_of_the_llm(namespace: Namespace, vertex: Vertex) -> None:
    stale = vertex.new_key("key-1")
    vertex.new_key("key-2")
    namespace.apply(a_secret("google", **{"credentials.json": stale}), an_llm_on(vertex))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    detail = namespace.get("llm", "gpt-4o")["status"]["statusDetail"]
    assert detail.startswith(f'token refused: {vertex.url}/token: HTTP 400: "Invalid JWT')


def test_credentials_that_would_send_assertions_elsewhere_are_refused(namespace: Namespace, vertex: Vertex) -> None:
    hostile = json.loads(vertex.new_key("key-1")) | {"token_uri": "https://evil.test/token"}
    namespace.apply(a_secret("google", **{"credentials.json": json.dumps(hostile)}), an_llm_on(vertex))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    detail = namespace.get("llm", "gpt-4o")["status"]["statusDetail"]
    assert detail == 'apiKeyFrom: token_uri: "evil.test" is neither a host of Google nor the one of baseUrl'
