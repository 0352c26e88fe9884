"""What a person does wrong, and where they are told."""

from __future__ import annotations

from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import ANSWER, Failure, MockModel

RUN = "hello-world-task-1"
NOWHERE = "http://127.0.0.1:1/v1"


# -- refused by kubectl apply --


def without(manifest: dict[str, Any], field: str) -> dict[str, Any]:
    return manifest | {"spec": {key: value for key, value in manifest["spec"].items() if key != field}}


WRONG: list[Any] = [
    pytest.param(an_agent(sytsem="typo"), ['unknown field "spec.sytsem"'], id="a field that does not exist"),
    pytest.param(an_agent(tools="fetch"), ["spec.tools", "array"], id="a list given as text"),
    pytest.param(
        an_llm(base_url=NOWHERE, provider="opnai"),
        ["spec.provider", 'Unsupported value: "opnai"', '"openai"', '"anthropic"'],
        id="a provider that does not exist",
    ),
    pytest.param(an_agent(system=""), ["spec.system"], id="an empty system prompt"),
    pytest.param(without(an_agent(), "system"), ["spec.system", "Required value"], id="no system prompt"),
    pytest.param(a_task(message=""), ["spec.message"], id="an empty message"),
    pytest.param(without(a_task(), "agentRef"), ["spec.agentRef", "Required value"], id="a task without an agent"),
    pytest.param(an_llm("No_Such_Name", base_url=NOWHERE), ["metadata.name", "RFC 1123"], id="a bad name"),
    pytest.param(a_task("n" * 254), ["metadata.name", "must be no more than 253"], id="a name too long"),
]
"""Manifests, with what kubectl says about them."""


@pytest.mark.parametrize(("manifest", "complaints"), WRONG)
def test_a_wrong_manifest_is_refused_with_the_field_named(
    namespace: Namespace, manifest: dict[str, Any], complaints: list[str]
) -> None:
    said = namespace.apply(manifest, fails=True)
    for complaint in complaints:
        assert complaint in said.err


# -- accepted, and then told in the status --


def test_a_missing_secret_is_named(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(an_llm(base_url=model.base_url, secret="not-there"))
    assert_told(namespace, "llm", "gpt-4o", "not-there")


def test_a_missing_key_of_a_secret_is_named(namespace: Namespace, model: MockModel) -> None:
    namespace.apply(a_secret(ANOTHER_KEY="x"), an_llm(base_url=model.base_url))
    assert_told(namespace, "llm", "gpt-4o", "OPENAI_API_KEY")


def test_a_missing_llm_is_named(namespace: Namespace) -> None:
    namespace.apply(an_agent(llm="not-there"))
    assert_told(namespace, "agent", "my-assistant", "not-there")


def test_a_missing_agent_is_named(namespace: Namespace) -> None:
    namespace.apply(a_task(agent="not-there"))
    assert_told(namespace, "task", "hello-world-task", "not-there")


def test_a_wrong_api_key_makes_the_llm_an_error_without_showing_the_key(namespace: Namespace, model: MockModel) -> None:
    model[namespace.name].keys = frozenset({"the-right-key"})
    namespace.apply(a_secret(OPENAI_API_KEY="a-wrong-key-1234"), an_llm(base_url=model.base_url, model=namespace.name))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    assert_told(namespace, "llm", "gpt-4o", "401")
    namespace.until(
        lambda: any(event[:2] == ("Warning", "ValidationFailed") for event in namespace.events("LLM", "gpt-4o")),
        watch="events",
        what="a warning about the key",
    )
    assert "a-wrong-key-1234" not in namespace.kubectl("get", "llm,events", "-o", "yaml").out


def test_a_model_that_does_not_exist_is_named(namespace: Namespace, model: MockModel) -> None:
    model[namespace.name].exists = False
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    namespace.wait("llm/gpt-4o", "{.status.status}", "Error")
    assert_told(namespace, "llm", "gpt-4o", namespace.name)


def test_a_server_that_cannot_be_reached_is_named(namespace: Namespace) -> None:
    namespace.apply(a_secret(), an_llm(base_url=NOWHERE))
    assert_told(namespace, "llm", "gpt-4o", "127.0.0.1:1")
    assert not namespace.get("llm", "gpt-4o")["status"].get("ready")


def assert_told(namespace: Namespace, kind: str, name: str, part: str) -> None:
    namespace.until(
        lambda: part in namespace.get(kind, name).get("status", {}).get("statusDetail", ""),
        watch=kind,
        what=f'statusDetail of {kind} {name} has "{part}"',
    )
    assert namespace.get(kind, name)["status"]["status"] in {"Pending", "Error"}
    assert part in namespace.kubectl("get", kind, name, "-o", "wide").out


# -- names and sizes --


def test_a_task_name_of_253_characters_is_no_obstacle(namespace: Namespace, model: MockModel) -> None:
    name = ".".join(["n" * 62] * 4) + "x"
    assert len(name) == 252
    name += "y"
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task(name))
    namespace.wait(f"task/{name}", "{.status.output}", ANSWER)
    [run] = namespace.list("taskrun")
    assert len(run["metadata"]["name"]) <= 253
    assert len(run["metadata"]["labels"]["kubechain.humanlayer.dev/task"]) <= 63
    assert run["spec"]["taskRef"]["name"] == name


def test_an_answer_too_big_for_the_api_server_ends_in_a_recorded_error(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    script.answers = ["word " * 700_000]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    namespace.until(
        lambda: any("completionTime" in run.get("status", {}) for run in namespace.list("taskrun")),
        watch="taskrun",
        what="the run ends",
    )
    status = namespace.get("taskrun", RUN)["status"]
    assert status["phase"] == "FinalAnswer" or "limit" in status["error"]
    assert len(script.calls) == 1, "the model is not asked again for what cannot be stored"


# -- a provider that misbehaves --


def test_an_agent_deleted_in_mid_run_does_not_stop_the_run(namespace: Namespace, model: MockModel) -> None:
    script = model[namespace.name]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent())
    with script.held():
        namespace.apply(a_task())
        script.wait_for_call()
        namespace.kubectl("delete", "agent", "my-assistant")
    assert len(namespace.finished(RUN)["status"]["contextWindow"]) == 3


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Failure(429), id="too many requests"),
        pytest.param(Failure(500), id="a server error"),
        pytest.param(Failure(200, raw=b"{garbage"), id="garbage"),
        pytest.param("", id="an empty answer"),
    ],
)
def test_a_failure_that_may_pass_is_told_and_tried_again(
    namespace: Namespace, model: MockModel, failure: Failure | str
) -> None:
    script = model[namespace.name]
    script.answers = [failure]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    assert namespace.finished(RUN)["status"]["output"] == ANSWER
    assert len(script.calls) == 2
    warnings = [event for event in namespace.events("TaskRun", RUN) if event[0] == "Warning"]
    assert warnings, "the failure is in an event"


@pytest.mark.parametrize(
    ("failure", "part"),
    [
        pytest.param(Failure(400, "context too long"), "context too long", id="a request that is refused"),
        pytest.param(Failure(401, "Incorrect API key"), "401", id="a key that was revoked"),
        pytest.param(Failure(404, "no such model"), "no such model", id="a model that was withdrawn"),
    ],
)
def test_a_failure_that_is_final_fails_the_run_with_its_reason(
    namespace: Namespace, model: MockModel, failure: Failure, part: str
) -> None:
    script = model[namespace.name]
    script.answers = [failure]
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    status = namespace.finished(RUN, "Failed")["status"]
    assert part in status["error"]
    assert len(script.calls) == 1
