"""One run that uses every kind of tool side by side, and what kubectl shows of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from test.e2e.cluster import Namespace, header, table
from test.e2e.manifests import a_builtin, a_secret, a_task, an_agent, an_api_tool, an_llm, an_mcp_server, refs
from test.e2e.model import Ask, MockModel, Script, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.endpoint import Endpoint
from test.e2e.servers.peers import Ledger

RUN = "hello-world-task-1"
TASK = "hello-world-task"
OUTPUT = "All of it is done."
PLAN = [
    {"step": "Ask the scout", "status": "Completed", "priority": "High"},
    {"step": "Write it down", "status": "InProgress", "priority": "Low"},
]
CALLS = (
    Ask("add", '{"a": 2,  "b": 3}'),
    Ask("pay", {"text": "rent"}),
    Ask("desk__greet", {"name": "Ada"}),
    Ask("shop__note", {"text": "milk"}),
    Ask("delegate_to_agent__scout", {"message": "Where is the moon?"}),
    Ask("update_plan", {"steps": PLAN}),
)
"""One call of each kind; the spaces in the first arguments must survive."""

RESULTS = ("5", '{"did": "rent"}', "Hello, Ada!", "noted: milk", "Up there.", "Plan updated: 1 of 2 steps completed.")


@dataclass(frozen=True, slots=True)
class Worked:
    """What there is after the run."""

    namespace: Namespace
    script: Script
    scout: Script
    endpoint: Endpoint
    ledger: Ledger

    def call(self, idx: int) -> dict[str, Any]:
        """The object of one call."""
        return self.namespace.get("trtc", f"{RUN}-t0-c{idx}")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """Where HTTP tools go."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def worked(
    make_namespace: Callable[[str], Namespace],
    model: MockModel,
    manager: Program,
    endpoint: Endpoint,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worked]:
    """An agent with everything, and its run, over."""
    assert manager.popen is not None
    namespace = make_namespace("tools")
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "lines")
    script, scout = model[namespace.name], model[f"{namespace.name}-scout"]
    script.answers = [asks(*CALLS), OUTPUT]
    scout.answers = ["Up there."]
    with peers.over_http("http", ledger) as url:
        namespace.apply(
            a_secret(),
            an_llm(base_url=model.base_url, model=namespace.name),
            an_llm("small", base_url=model.base_url, model=f"{namespace.name}-scout"),
            a_builtin("add"),
            an_api_tool("pay", url=endpoint.url("/pay")),
            an_mcp_server("desk", **peers.over_stdio(ledger)),
            an_mcp_server("shop", type="http", url=url),
            an_agent("scout", llm="small", description="Knows the sky."),
            an_agent(
                tools=refs("add", "pay"),
                mcpServers=refs("desk", "shop"),
                subAgents=refs("scout"),
                planning=True,
            ),
            a_task(),
        )
        namespace.finished(RUN)
        yield Worked(namespace, script, scout, endpoint, ledger)


def test_the_model_is_offered_everything_under_its_name(worked: Worked) -> None:
    assert worked.script.calls[0].tools == [
        "add",
        "pay",
        *(f"desk__{name}" for name in ("greet", "note", "secret_length")),
        *(f"shop__{name}" for name in ("greet", "note", "secret_length")),
        "delegate_to_agent__scout",
        "update_plan",
    ]


def test_each_call_is_answered_in_the_order_of_the_question(worked: Worked) -> None:
    window = worked.namespace.get("taskrun", RUN)["status"]["contextWindow"]
    assert [message["role"] for message in window] == ["system", "user", "assistant", *["tool"] * 6, "assistant"]
    answers = [(message["toolCallId"], _plain(message["content"])) for message in window if message["role"] == "tool"]
    assert answers == [(f"call_{idx}", _plain(text)) for idx, text in enumerate(RESULTS)]
    assert [_plain(text) for text in worked.script.calls[1].results.values()] == [_plain(text) for text in RESULTS]


def _plain(text: str) -> Any:
    """JSON as a value, since an answer's spaces are the server's own matter."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_everything_was_done_once(worked: Worked) -> None:
    assert [hit.text for hit in worked.endpoint.hits if hit.text == "rent"] == ["rent"]
    assert (worked.ledger.times("begun", "milk"), worked.ledger.times("done", "milk")) == (1, 1)
    assert len(worked.scout.calls) == 1
    assert len(worked.script.calls) == 2


def test_the_key_of_a_call_reaches_http_endpoint_and_mcp_server(worked: Worked) -> None:
    [hit] = [hit for hit in worked.endpoint.hits if hit.text == "rent"]
    assert hit.key == worked.call(1)["spec"]["idempotencyKey"]
    [begun] = [line for line in worked.ledger.lines() if line["what"] == "begun"]
    assert begun["key"] == worked.call(3)["spec"]["idempotencyKey"]


def test_get_trtc_prints_a_row_for_each_call(worked: Worked) -> None:
    out = worked.namespace.kubectl("get", "trtc").out
    assert header(out).removesuffix(" AGE") == "NAME PHASE TASKRUN TOOL"
    rows = [(row["NAME"], row["PHASE"], row["TASKRUN"], row["TOOL"]) for row in table(out)]
    assert rows == [(f"{RUN}-t0-c{idx}", "Succeeded", RUN, ask.name) for idx, ask in enumerate(CALLS)]


def test_get_trtc_wide_adds_times_and_error(worked: Worked) -> None:
    out = worked.namespace.kubectl("get", "taskruntoolcall", "-o", "wide").out
    assert header(out).removesuffix(" AGE") == "NAME PHASE TASKRUN TOOL STARTED COMPLETED ERROR"


def test_a_call_keeps_the_arguments_byte_for_byte(worked: Worked) -> None:
    spec = worked.call(0)["spec"]
    assert spec["arguments"] == '{"a": 2,  "b": 3}'
    assert (spec["toolCallId"], spec["taskRunRef"], spec["toolRef"]) == ("call_0", {"name": RUN}, {"name": "add"})
    assert worked.call(0)["metadata"]["labels"]["kubechain.humanlayer.dev/taskrun"] == RUN


@pytest.mark.parametrize(("idx", "type_"), [(2, "mcp"), (3, "mcp"), (4, "delegateToAgent"), (5, "function")])
def test_a_call_says_who_carries_it_out(worked: Worked, idx: int, type_: str) -> None:
    assert worked.call(idx)["spec"]["toolType"] == type_


def test_describe_trtc_shows_result_and_event(worked: Worked) -> None:
    name = f"{RUN}-t0-c2"
    expected = ("Normal", "ToolCallSucceeded", "Tool executed successfully", "taskruntoolcall-controller")
    worked.namespace.wait_for_event("TaskRunToolCall", name, expected)
    described = worked.namespace.kubectl("describe", "trtc", name).out
    assert "Hello, Ada!" in described
    assert "ToolCallSucceeded" in described


def test_describe_taskrun_shows_plan_and_conversation(worked: Worked) -> None:
    described = worked.namespace.kubectl("describe", "taskrun", RUN).out
    plan = described[described.index("Plan:") :]
    for word in ("Ask the scout", "Completed", "High", "Write it down", "InProgress"):
        assert word in plan
    assert "noted: milk" in described
    assert worked.namespace.get("taskrun", RUN)["status"]["plan"] == PLAN


def test_get_taskrun_prints_the_output_and_the_child_beside_it(worked: Worked) -> None:
    out = worked.namespace.kubectl("get", "taskrun").out
    assert header(out).removesuffix(" AGE") == "NAME READY STATUS PHASE TASK PREVIEW OUTPUT"
    rows = {row["NAME"]: (row["PHASE"], row["TASK"], row["OUTPUT"]) for row in table(out)}
    assert rows == {RUN: ("FinalAnswer", TASK, OUTPUT), f"{RUN}-t0-c4-run": ("FinalAnswer", "", "Up there.")}


def test_the_other_agent_has_a_conversation_of_its_own(worked: Worked) -> None:
    child = worked.namespace.get("taskrun", f"{RUN}-t0-c4-run")
    assert [message["role"] for message in child["status"]["contextWindow"]] == ["system", "user", "assistant"]
    [owner] = child["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("TaskRunToolCall", f"{RUN}-t0-c4")
    assert worked.call(4)["status"]["externalCallID"] == child["metadata"]["name"]


def test_the_run_tells_that_it_waits_for_tools(worked: Worked) -> None:
    worked.namespace.until(
        lambda: "ToolCallsPending" in [event[1] for event in worked.namespace.events("TaskRun", RUN)],
        watch="events",
        what="the event ToolCallsPending",
    )


def test_the_agent_lists_what_it_was_found_to_have(worked: Worked) -> None:
    status = worked.namespace.get("agent", "my-assistant")["status"]
    assert [tool["name"] for tool in status["validTools"]] == ["add", "pay"]
    assert {server["name"]: server["tools"] for server in status["validMCPServers"]} == {
        "desk": ["greet", "note", "secret_length"],
        "shop": ["greet", "note", "secret_length"],
    }
    assert status["validSubAgents"] == [{"name": "scout"}]


def test_deleting_the_task_takes_everything_with_it(
    namespace: Namespace, model: MockModel, endpoint: Endpoint, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "lines")
    model[namespace.name].answers = [asks(Ask("pay", {"text": "once"}), Ask("desk__note", {"text": "once"}))]
    namespace.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        an_api_tool("pay", url=endpoint.url("/pay")),
        an_mcp_server("desk", **peers.over_stdio(ledger)),
        an_agent(tools=refs("pay"), mcpServers=refs("desk")),
        a_task(),
    )
    namespace.finished(RUN)
    namespace.kubectl("delete", "task", TASK, "--timeout=60s")
    namespace.until(lambda: not namespace.list("taskrun,trtc"), watch="trtc", what="runs and calls go with their task")
