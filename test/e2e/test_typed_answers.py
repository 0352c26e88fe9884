"""Answers of a type, by kubectl: the result as a field, a model that is corrected, one that is not, and bad schemas."""

from __future__ import annotations

from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import API_VERSION, a_secret, a_task, an_agent, an_llm
from test.e2e.model import MockModel, Script

RUN = "hello-world-task-1"
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}, "seas": {"type": "array"}},
    "required": ["city"],
}
RIGHT = '{"city": "Moonville", "people": 3, "seas": [null]}'


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, with an LLM and an agent for it."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    return model[namespace.name]


def test_a_field_of_the_answer_is_read_with_kubectl(namespace: Namespace, script: Script) -> None:
    script.answers = ["Moonville.", RIGHT]
    namespace.apply(a_task(outputSchema=CITY))
    namespace.kubectl("wait", "--for=condition=Succeeded", "task/hello-world-task", "--timeout=60s")
    for kind, name in (("tr", RUN), ("task", "hello-world-task")):
        assert namespace.kubectl("get", kind, name, "-o", "jsonpath={.status.result.city}").out == "Moonville"
    status = namespace.get("taskrun", RUN)["status"]
    assert (status["result"], status["output"]) == ({"city": "Moonville", "people": 3, "seas": [None]}, RIGHT)
    assert (status["turn"], status["mismatchCount"]) == (2, 1)
    assert script.calls[0].body["response_format"]["json_schema"]["schema"]["required"] == ["city"]
    assert "OutputMismatch" in namespace.kubectl("describe", "taskrun", RUN).out


def test_a_run_whose_model_never_matches_fails_and_keeps_the_text(namespace: Namespace, script: Script) -> None:
    script.answers = ['{"city": 7}'] * 3
    namespace.apply(a_task(outputSchema=CITY))
    namespace.wait(f"taskrun/{RUN}", "{.status.phase}", "Failed")
    status = namespace.get("taskrun", RUN)["status"]
    assert status["error"].endswith('the last one: $.city: 7 is not of type "string"')
    assert status["output"] == '{"city": 7}'
    assert "result" not in status


def test_a_schema_that_cannot_be_used_is_named_with_its_place(namespace: Namespace, script: Script) -> None:
    del script
    namespace.apply(a_task(outputSchema={"type": "object", "properties": {"x": {"$ref": "https://example.com/x"}}}))
    namespace.wait("task/hello-world-task", "{.status.status}", "Error")
    detail = namespace.get("task", "hello-world-task")["status"]["statusDetail"]
    assert detail.startswith('spec.outputSchema: $.properties.x["$ref"]: must begin with #/')


def test_the_schema_of_a_run_cannot_be_changed(namespace: Namespace, script: Script) -> None:
    script.answers = [RIGHT]
    run = {
        "apiVersion": API_VERSION,
        "kind": "TaskRun",
        "metadata": {"name": "alone"},
        "spec": {"agentRef": {"name": "my-assistant"}, "userMessage": "Where?", "outputSchema": CITY},
    }
    namespace.apply(run)
    namespace.wait("taskrun/alone", "{.status.phase}", "FinalAnswer")
    for schema in ('{"required":["people"]}', "null"):
        patch = ["patch", "tr", "alone", "--type=merge", "-p", f'{{"spec":{{"outputSchema":{schema}}}}}']
        refused = namespace.kubectl(*patch, fails=True)
        assert "outputSchema is immutable: create a new TaskRun instead" in refused.err
    namespace.kubectl("label", "tr", "alone", "seen=yes")
