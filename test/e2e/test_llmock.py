"""A judge of clients from PyPI, llmock: it fails as providers do, and says what it thinks of each retry.

It runs in an environment of its own, which uvx makes; without a package registry these tests are skipped. Its verdict
is asked for in strict mode: its warnings count as well. Each fault has an LLM, so that one does not touch another.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from test import registry
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.processes import Program, free_port

RELEASE = "llmock==0.2.2"

PASSING: Mapping[str, dict[str, Any]] = {
    "limited": {"type": "fail", "status": 429, "retry_after": 2.0, "times": 2},
    "overloaded": {"type": "fail", "status": 503, "times": 3},
    "failing": {"type": "fail", "status": 500, "times": 3},
    "busy": {"type": "fail", "status": 529, "retry_after": 1.0},
    "disconnected": {"type": "stream_fault", "kind": "disconnect"},
    "truncated": {"type": "stream_fault", "kind": "truncate"},
    "malformed": {"type": "stream_fault", "kind": "malformed"},
    "stalled": {"type": "stream_fault", "kind": "stall", "stall_seconds": 60.0},
}
"""Faults that pass, by name: the run answers. Those of streams need an LLM that streams."""

LASTING: Mapping[str, dict[str, Any]] = {
    "refused": {"type": "fail", "status": 400, "times": None},
    "unauthorized": {"type": "fail", "status": 401, "times": None},
    "forbidden": {"type": "fail", "status": 403, "times": None},
}
"""Faults that no retry passes: the run fails after one call."""

DIALECTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1", {}),
    "openai-responses": ("/v1", {"openai": {"api": "Responses"}}),
    "anthropic": ("/anthropic", {"provider": "anthropic"}),
    "google": ("/gemini", {"provider": "google"}),
    "mistral": ("/mistral/v1", {"provider": "mistral"}),
    "groq": ("/groq/openai/v1", {}),
}
"""Base path and spec of an LLM for each dialect of ours that llmock speaks, and for one more host of OpenAI's."""


@dataclass(slots=True)
class Judge:
    """The server, and what it says.

    Attributes:
        journal: Requests by model, after `findings`.
    """

    url: str
    journal: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, "list[dict[str, Any]]"])

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_llmock/{path}", data)) as reply:
            return json.loads(reply.read())

    def begin(self, faults: Mapping[str, Mapping[str, Any]]) -> None:
        """Forget what was, and have each model fail in its way.

        What was are the checks of the LLMs: llmock has no list of models, and each LLM asks for it.
        """
        self.ask("reset", {})
        behaviors = [{**fault, "match": {"model": name}} for name, fault in faults.items()]
        self.ask("scenario", {"behaviors": behaviors})

    def findings(self) -> list[dict[str, Any]]:
        """What it thinks of the calls of runs.

        An LLM whose provider fails is checked again after a while, also by a list that llmock does not have: no retry.
        """
        for request in self.ask("requests")["requests"]:
            self.journal.setdefault(request["model"], []).append(request)
        found: list[dict[str, Any]] = self.ask("verdict")["findings"]
        return [finding for finding in found if not finding.get("path", "").startswith("GET ")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    registry.require(registry.why_not_pypi())
    url, port = "http://127.0.0.1", free_port()
    # With pauses, so that it sees who stops reading: what is sent already counts as read.
    serve = ["serve", f"--port={port}", "--tool-mode=off", "--stream-chunk-delay-ms=100"]
    program = Program(
        ["--python", sys.executable, "--from", RELEASE, "llmock", *serve],
        Path(tmp_path_factory.mktemp("llmock")) / "llmock.log",
        f"{url}:{port}/_llmock/requests",
        registry.environment(),
        [str(registry.UVX)],
    )
    program.start(ready_seconds=240.0)
    yield f"{url}:{port}"
    program.stop()


@pytest.fixture
def judge(server: str) -> Judge:
    return Judge(server)


def streams(fault: Mapping[str, Any]) -> bool:
    return fault["type"] == "stream_fault"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_verdict_is_clean_in_strict_mode(namespace: Namespace, judge: Judge, dialect: str) -> None:
    path, spec = DIALECTS[dialect]
    faults = {**PASSING, **LASTING}
    parameters = {"baseUrl": judge.url + path}
    llms = [an_llm(name, base_url="", **spec, timeoutSeconds=10) for name in faults]
    for name, llm in zip(faults, llms, strict=True):
        stream = {"stream": "Always"} if streams(faults[name]) else {}
        llm["spec"]["parameters"] = parameters | {"model": name} | stream
    agents = [an_agent(name, llm=name) for name in faults]
    namespace.apply(a_secret(), *llms, *agents)
    for name in faults:
        namespace.wait(f"agent/{name}", "{.status.ready}", "true")
    judge.begin(faults)
    namespace.apply(*(a_task(name, agent=name) for name in faults))
    runs = {name: namespace.finished(f"{name}-1", timeout_seconds=120.0) for name in PASSING}
    runs |= {name: namespace.finished(f"{name}-1", "Failed", timeout_seconds=120.0) for name in LASTING}
    findings = judge.findings()
    assert findings == [], json.dumps(findings, indent=2)
    for name, fault in PASSING.items():
        calls = judge.journal[name]
        assert [call["fault"] is not None for call in calls] == [True] * fault.get("times", 1) + [False]
        assert runs[name]["status"]["output"]
    assert {name: len(judge.journal[name]) for name in LASTING} == dict.fromkeys(LASTING, 1)
