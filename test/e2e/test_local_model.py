"""The model that ships, served by `kubechain model serve`, behind runs over both APIs: real inference, no double.

What it says is never asserted on: it is small and says anything. A call of a tool is held to the tool's schema, and a
typed answer to its own.
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


SUM = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}, "isFar": {"type": "boolean"}},
    "required": ["city", "people", "isFar"],
}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_typed_answer_matches_its_schema(namespace: Namespace, base_url: str, provider: str) -> None:
    llm = an_llm(base_url=base_url, provider=provider)
    llm["spec"]["parameters"]["maxTokens"] = 200
    namespace.apply(a_secret(), llm, an_agent(), a_task(message="Tell me of Paris.", outputSchema=CITY))
    status = namespace.finished(RUN, timeout_seconds=INFERENCE_SECONDS)["status"]
    assert status["phase"] == "FinalAnswer"
    assert status["result"].keys() == {"city", "people", "isFar"}
    assert [type(status["result"][name]) for name in CITY["properties"]] == [str, int, bool]
    assert not status.get("mismatchCount"), "the model is held to the schema, not corrected"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_typed_answer_after_a_call_of_a_tool(namespace: Namespace, base_url: str, provider: str) -> None:
    llm = an_llm(base_url=base_url, provider=provider)
    llm["spec"]["parameters"]["maxTokens"] = 200
    namespace.apply(a_secret(), llm, a_builtin("add"), an_agent(tools=refs("add")))
    namespace.apply(a_task(message="What is 2 + 3?", outputSchema=SUM))
    status = namespace.finished(RUN, timeout_seconds=INFERENCE_SECONDS)["status"]
    assert [message["role"] for message in status["contextWindow"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert status["result"].keys() == {"sum"}
    assert isinstance(status["result"]["sum"], int | float)


def test_a_schema_that_anthropics_grammar_does_not_take_ends_right_by_corrections(
    namespace: Namespace, base_url: str
) -> None:
    """Fields of any name: the schema is told in words, and a small model may not follow. The run ends, and says how."""
    llm = an_llm(base_url=base_url, provider="anthropic")
    llm["spec"]["parameters"]["maxTokens"] = 16
    free = {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}
    namespace.apply(a_secret(), llm, an_agent(), a_task(message="Count three towns.", outputSchema=free))
    namespace.kubectl("wait", "--for=jsonpath={.status.completionTime}", f"taskrun/{RUN}", "--timeout=90s")
    status = namespace.get("taskrun", RUN)["status"]
    if status["phase"] == "FinalAnswer":
        assert all(isinstance(value, int) for value in status["result"].values())
    else:
        assert (status["phase"], status["mismatchCount"], status["turn"]) == ("Failed", 3, 3)
        assert "result" not in status
