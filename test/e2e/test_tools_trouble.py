"""Tools when things go wrong, or when people interfere: what the model is told, and what kubectl shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import (
    KEY,
    a_builtin,
    a_secret,
    a_task,
    a_tool,
    an_agent,
    an_api_tool,
    an_mcp_server,
    refs,
)
from test.e2e.model import Ask, MockModel, Script, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.endpoint import Endpoint

RUN = "hello-world-task-1"
CALL = f"{RUN}-t0-c0"


def tool_answers(run: dict[str, Any]) -> list[str]:
    return [message["content"] for message in run["status"]["contextWindow"] if message["role"] == "tool"]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        pytest.param(Ask("frobnicate"), 'no tool named "frobnicate"; available tools: divide', id="an unknown tool"),
        pytest.param(Ask("divide", "{"), "JSON", id="arguments that are not JSON"),
        pytest.param(Ask("divide", {"a": "x", "b": 1}), "$.a", id="arguments that do not fit"),
        pytest.param(Ask("divide", ""), "required", id="no arguments where some are needed"),
        pytest.param(Ask("divide", {"a": 1, "b": 0}), "zero", id="a division by zero"),
        pytest.param(Ask("../divide", "{}"), 'no tool named "../divide"', id="a name with dots and slashes"),
    ],
)
def test_a_bad_call_is_answered_and_the_run_goes_on(namespace: Namespace, script: Script, ask: Ask, says: str) -> None:
    script.answers = [asks(ask), "I see."]
    namespace.apply(a_builtin("divide"), an_agent(tools=refs("divide")), a_task())
    run = namespace.finished(RUN)
    [answer] = tool_answers(run)
    assert says in answer
    call = namespace.get("trtc", CALL)
    assert (call["status"]["phase"], call["status"]["status"]) == ("Failed", "Error")
    assert says in call["status"]["error"]
    assert says in namespace.kubectl("get", "trtc", "-o", "wide").out


def test_calls_without_ids_and_with_the_same_id_get_their_own(namespace: Namespace, script: Script) -> None:
    script.answers = [
        asks(*(Ask("add", {"a": number, "b": 0}, id=id) for number, id in enumerate(["", "x", "x"]))),
        "Added.",
    ]
    namespace.apply(a_builtin("add"), an_agent(tools=refs("add")), a_task())
    run = namespace.finished(RUN)
    window = run["status"]["contextWindow"]
    ids = [message["toolCallId"] for message in window if message["role"] == "tool"]
    assert len(set(ids)) == 3
    assert tool_answers(run) == ["0", "1", "2"]
    assert [call["id"] for call in window[2]["toolCalls"]] == ids


def test_an_answer_of_an_endpoint_that_refuses_goes_to_the_model(
    namespace: Namespace, script: Script, endpoint: Endpoint
) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"})), "Pity."]
    namespace.apply(an_api_tool("pay", url=endpoint.url("/refuse")), an_agent(tools=refs("pay")), a_task())
    [answer] = tool_answers(namespace.finished(RUN))
    assert "404" in answer
    assert len(endpoint.hits) == 1


METADATA = [
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest/",
    "http://2852039166/latest/",
    "http://0xa9fea9fe/latest/",
    "http://[fd00:ec2::254]/latest/",
    "http://metadata.google.internal/computeMetadata/v1/",
]


@pytest.mark.parametrize("url", METADATA)
def test_the_metadata_service_is_refused(namespace: Namespace, script: Script, url: str) -> None:
    script.answers = [asks(Ask("steal", {"text": "x"})), "No luck."]
    namespace.apply(an_api_tool("steal", url=url, method="GET"), an_agent(tools=refs("steal")), a_task())
    namespace.wait("tool/steal", "{.status.status}", "Error")
    detail = namespace.get("tool", "steal")["status"]["statusDetail"]
    assert "not allowed" in detail or "refused" in detail or "may not" in detail, detail
    namespace.until(
        lambda: "steal" in namespace.get("agent", "my-assistant").get("status", {}).get("statusDetail", ""),
        watch="agent",
        what="the agent says which tool is refused",
    )
    assert not script.calls


def test_a_redirect_to_the_metadata_service_is_refused(
    namespace: Namespace, script: Script, endpoint: Endpoint
) -> None:
    script.answers = [asks(Ask("steal", {"text": "x"})), "No luck."]
    url = endpoint.url("/forward?to=http://169.254.169.254/latest/meta-data/")
    namespace.apply(an_api_tool("steal", url=url, method="GET"), an_agent(tools=refs("steal")), a_task())
    [answer] = tool_answers(namespace.finished(RUN))
    assert "169.254.169.254" in answer


def test_a_container_without_an_engine_says_what_is_missing(namespace: Namespace, script: Script) -> None:
    if namespace.cluster.is_real:
        pytest.skip("kube-apiserver has Jobs")
    execute = {"container": {"image": "busybox", "command": ["echo", "{text}"]}}
    namespace.apply(a_tool("box", toolType="container", execute=execute), an_agent(tools=refs("box")))
    namespace.wait("tool/box", "{.status.status}", "Error")
    detail = namespace.get("tool", "box")["status"]["statusDetail"]
    assert "docker" in detail
    assert "podman" in detail


def test_a_run_is_cancelled_in_the_middle_of_a_call(namespace: Namespace, script: Script, endpoint: Endpoint) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"}))]
    namespace.apply(an_api_tool("pay", url=endpoint.url("/hold")), an_agent(tools=refs("pay")), a_task())
    endpoint.wait_for_hit()
    namespace.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    namespace.finished(RUN, "Cancelled")
    namespace.wait(f"trtc/{CALL}", "{.status.phase}", "Cancelled")
    assert len(endpoint.hits) == 1


def test_a_deleted_run_goes_at_once_though_its_tool_hangs(
    namespace: Namespace, script: Script, endpoint: Endpoint
) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"}))]
    namespace.apply(an_api_tool("pay", url=endpoint.url("/hold")), an_agent(tools=refs("pay")), a_task())
    endpoint.wait_for_hit()
    namespace.kubectl("delete", "task,taskrun,trtc", "--all", "--timeout=30s")
    assert not namespace.list("task,taskrun,trtc")


def test_a_deleted_call_is_answered_as_cancelled(namespace: Namespace, script: Script, endpoint: Endpoint) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"})), "Then not."]
    namespace.apply(an_api_tool("pay", url=endpoint.url("/hold")), an_agent(tools=refs("pay")), a_task())
    endpoint.wait_for_hit()
    namespace.kubectl("delete", "trtc", CALL, "--timeout=30s")
    [answer] = tool_answers(namespace.finished(RUN))
    assert answer.startswith("cancelled: ")


def test_a_tool_that_is_deleted_in_the_middle_of_a_run_is_waited_for(
    namespace: Namespace, script: Script, endpoint: Endpoint
) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"})), "Paid."]
    tool = an_api_tool("pay", url=endpoint.url("/pay"))
    with script.held():
        namespace.apply(tool, an_agent(tools=refs("pay")), a_task())
        script.wait_for_call()
        namespace.kubectl("delete", "tool", "pay")
    namespace.wait(f"trtc/{CALL}", "{.status.phase}", "Pending")
    assert '"pay"' in namespace.get("trtc", CALL)["status"]["statusDetail"]
    assert not endpoint.hits
    namespace.apply(tool)
    assert namespace.finished(RUN)["status"]["output"] == "Paid."


def test_a_person_steers_a_running_agent(namespace: Namespace, script: Script, endpoint: Endpoint) -> None:
    script.answers = [asks(Ask("pay", {"text": "x"})), "In French: voilà."]
    namespace.apply(an_api_tool("pay", url=endpoint.url("/hold")), an_agent(tools=refs("pay")), a_task())
    endpoint.wait_for_hit()
    patch = {"spec": {"messages": [{"content": "Answer in French."}]}}
    namespace.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", json.dumps(patch))
    endpoint.gate.set()
    run = namespace.finished(RUN)
    heard = [message["content"] for message in script.calls[-1].messages if message["role"] == "user"]
    assert heard[1:] == ["Answer in French."], "once, at the next turn"
    assert [message["role"] for message in run["status"]["contextWindow"]][-3:] == ["tool", "user", "assistant"]


CANARIES = {
    "OPENAI_API_KEY": KEY,
    "TOKEN": "canary-env-6f1d2c9a",
    "HEADER": "canary-header-77b1e0d4",
    "CREDENTIAL": "canary-credential-93ac55f0",
}


def test_no_secret_shows_anywhere(
    namespace: Namespace, script: Script, endpoint: Endpoint, manager: Program, model: MockModel, tmp_path: Path
) -> None:
    def of(key: str) -> dict[str, Any]:
        return {"valueFrom": {"secretKeyRef": {"name": "canaries", "key": key}}}

    script.answers = [
        asks(Ask("pay", {"text": "x"}), Ask("refuse", {"text": "y"}), Ask("desk__secret_length"), Ask("shop__greet")),
        "Done.",
    ]
    api: dict[str, Any] = {
        "credentialsFrom": {"name": "canaries", "key": "CREDENTIAL"},
        "headers": [{"name": "x-key", **of("HEADER")}],
    }
    with peers.over_http("http") as url:
        namespace.apply(
            a_secret("canaries", **{key: value for key, value in CANARIES.items() if key != "OPENAI_API_KEY"}),
            an_api_tool("pay", url=endpoint.url("/pay"), **api),
            an_api_tool("refuse", url=endpoint.url("/refuse"), **api),
            an_mcp_server("desk", **peers.over_stdio(env=[{"name": "TOKEN", **of("TOKEN")}])),
            an_mcp_server("shop", type="http", url=url, headers=[{"name": "x-token", **of("HEADER")}]),
            an_mcp_server("broken", type="stdio", command="false", env=[{"name": "TOKEN", **of("TOKEN")}]),
            an_agent(tools=refs("pay", "refuse"), mcpServers=refs("desk", "shop")),
            a_task(),
        )
        namespace.finished(RUN)
    assert endpoint.hits[0].headers["authorization"] == f"Bearer {CANARIES['CREDENTIAL']}"
    kinds = "llm,agent,tool,mcpserver,task,taskrun,trtc,events,configmap"
    stored = namespace.kubectl("get", kinds, "-o", "json").out
    logged = manager.log.read_text(errors="replace")
    for name, canary in CANARIES.items():
        assert canary not in stored, f"{name} in an object"
        assert canary not in logged, f"{name} in the log"
