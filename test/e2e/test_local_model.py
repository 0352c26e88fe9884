"""The model that ships, served by `kubechain model serve`, behind runs over both APIs: real inference, no double.

What it says is never asserted on: it is small and says anything. A call of a tool is held to the tool's schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_builtin, a_secret, a_task, an_agent, an_llm, refs
from test.e2e.processes import Program
from test.localmodel.test_process import needs_model

RUN = "hello-world-task-1"
INFERENCE_SECONDS = 90.0
"""Two answers take a few seconds of an idle core; cores may be busy with other tests."""

pytestmark = needs_model


@pytest.fixture(scope="module")
def base_url(logs: Path) -> Iterator[str]:
    """Of the served model."""
    url = f"http://127.0.0.1:{(port := processes.free_port())}/v1"
    program = Program(["model", "serve", f"--port={port}"], logs / "model.log", f"{url}/models")
    program.start()
    yield url
    program.stop()


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_run_calls_a_tool_and_answers(namespace: Namespace, base_url: str, provider: str) -> None:
    llm = an_llm(base_url=base_url, provider=provider)
    llm["spec"]["parameters"]["maxTokens"] = 100
    namespace.apply(a_secret(), llm, a_builtin("add"), an_agent(tools=refs("add")))
    namespace.apply(a_task(message="What is 2 + 3?"))
    status = namespace.finished(RUN, timeout_seconds=INFERENCE_SECONDS)["status"]
    _, _, called, result, answer = status["contextWindow"]
    assert [call["function"]["name"] for call in called["toolCalls"]] == ["add"]
    assert result["role"] == "tool"
    assert not result.get("isError")
    assert answer["content"] == status["output"] != ""
    assert status["usage"]["outputTokens"] > 0


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_run_without_tools_answers(namespace: Namespace, base_url: str, provider: str) -> None:
    llm = an_llm(base_url=base_url, provider=provider)
    llm["spec"]["parameters"]["maxTokens"] = 40
    namespace.apply(a_secret(), llm, an_agent(), a_task())
    assert namespace.finished(RUN, timeout_seconds=INFERENCE_SECONDS)["status"]["output"].strip()
