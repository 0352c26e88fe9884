"""What clusters, clients and people do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from test.e2e.cases.rows import KUBERNETES, case, missing
from test.e2e.cluster import Cluster, Namespace, condition
from test.e2e.manifests import (
    API_VERSION,
    KEY,
    a_secret,
    a_task,
    a_taskrun,
    a_tool,
    an_agent,
    an_llm,
    an_mcp_server,
    refs,
)
from test.e2e.model import HOLD_SECONDS, Answer, Ask, Call, Failure, MockModel, asks
from test.e2e.processes import Program

SAMPLES = Path(__file__).resolve().parents[3] / "config" / "samples"

ELSEWHERE: dict[str, str] = {
    "a static token that changes in the kubeconfig file": "needs a server that changes which token it accepts: "
    "test/runtime/test_http.py",
}
"""Why a kind has no test here, by kind."""


@case(
    "what a Task says",
    {
        "its run failed": ("Failed", "Error", 'TaskRun "failing-1" failed:'),
        "its run was cancelled": ("Cancelled", "Error", 'TaskRun "cancelled-1" was cancelled'),
        "its run was deleted while it went on": ("Deleted", "Error", 'TaskRun "deleted-1" was deleted'),
        "its run answered": ("FinalAnswer", "Ready", "Task Run Created"),
        "it was edited since": ("FinalAnswer", "Ready", 'edited since TaskRun "edited-1" began'),
    },
)
def test_a_task_says_what_its_newest_run_says(tasks: dict[str, dict[str, Any]], given: tuple[str, str, str]) -> None:
    phase, status, words = given
    task = tasks[words.split('"')[1].removesuffix("-1") if '"' in words else "answered"]
    assert (task["status"]["lastRun"]["phase"], task["status"]["status"]) == (phase, status)
    assert words in task["status"]["statusDetail"]
    assert task["status"]["ready"] == (status == "Ready")
    assert condition(task, "Finished")["status"] == "True"
    assert condition(task, "Succeeded")["status"] == str(phase == "FinalAnswer")


@pytest.fixture(scope="module")
def tasks(make_namespace: Callable[[str], Namespace], manager: Program, model: MockModel) -> dict[str, dict[str, Any]]:
    """Tasks whose runs came to different ends, each after `kubectl wait --for=condition=Finished`."""
    assert manager.popen is not None
    namespace = make_namespace("what-a-task-says")
    names, let_go = ("failing", "cancelled", "deleted", "answered", "edited"), threading.Event()

    def respond(call: Call) -> Answer:
        question = str(call.messages[-1]["content"])
        if "held" in question:
            let_go.wait(HOLD_SECONDS)
        return Failure(400, "broken on purpose") if "failing" in question else "An answer."

    model["task-says"].respond = respond
    llm = an_llm(base_url=model.base_url, model="task-says")
    messages = {name: f"{name} held" if name in ("cancelled", "deleted") else name for name in names}
    applied = [a_task(name, message=text) for name, text in messages.items()]
    namespace.apply(a_secret(), llm, an_agent(), *applied)
    for name in ("cancelled", "deleted"):
        namespace.wait(f"taskrun/{name}-1", "{.status.phase}", "SendContextWindowToLLM")
    namespace.kubectl("wait", "--for=condition=RunCreated", "task/cancelled", "--timeout=60s")
    assert condition(namespace.get("task", "cancelled"), "Finished")["status"] == "False"
    cancel = json.dumps({"spec": {"cancel": True}})
    namespace.kubectl("patch", "taskrun", "cancelled-1", "--type=merge", "--patch", cancel)
    namespace.kubectl("delete", "taskrun", "deleted-1")
    namespace.wait("task/edited", "{.status.lastRun.phase}", "FinalAnswer")
    namespace.apply(a_task("edited", message="something else"))
    namespace.kubectl("wait", "--for=condition=EditedSinceRun", "task/edited", "--timeout=60s")
    namespace.kubectl("wait", "--for=condition=Finished", "task", "--all", "--timeout=60s")
    found = {name: namespace.get("task", name) for name in names}
    let_go.set()
    return found


TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


@case(
    "tools that are Ready and cannot work",
    {
        "URL `{b}` without b in the schema": (
            {"url": "https://example.com/{b}"},
            TEXT,
            "url: {b} is not among the parameters, which are: text",
        ),
        "a query parameter without a schema": (
            {"url": "https://example.com/?q={city}"},
            None,
            "url: {city} is not among the parameters, which are: none",
        ),
        "a body with a name that is not in the schema": (
            {"url": "https://example.com/", "body": {"deep": ["say {txt}"]}},
            TEXT,
            "body: {txt} is not among the parameters, which are: text",
        ),
        "a header with a name of the schema": (
            {"url": "https://example.com/", "headers": [{"name": "X-Text", "value": "{text}"}]},
            TEXT,
            "headers: X-Text: {text} is not replaced: arguments go into url and body",
        ),
        "a schema that is no object": (
            {"url": "https://example.com/"},
            {"type": "string"},
            "parameters: must describe an object, not string",
        ),
        "a required name that is forbidden": (
            {"url": "https://example.com/"},
            TEXT | {"required": ["b"], "additionalProperties": False},
            'parameters: "b" is required, and it is not among the properties',
        ),
        "a credential key missing in an existing Secret": (
            {"url": "https://example.com/", "credentialsFrom": {"name": "openai", "key": "TOKEN"}},
            TEXT,
            'key "TOKEN" not found in Secret "openai"',
        ),
        "a header key missing in an existing Secret": (
            {
                "url": "https://example.com/",
                "headers": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "openai", "key": "TOKEN"}}}],
            },
            TEXT,
            'key "TOKEN" not found in Secret "openai"',
        ),
        "a builtin whose schema lacks an argument": (
            "add",
            TEXT,
            'parameters: the builtin function "add" needs "a", which is not among them: text',
        ),
    },
)
def test_a_tool_that_cannot_work_is_an_error_at_once(
    namespace: Namespace, given: tuple[dict[str, Any] | str, dict[str, Any] | None, str]
) -> None:
    what, schema, said = given
    execute = {"builtin": {"name": what}} if isinstance(what, str) else {"externalAPI": {"method": "POST", **what}}
    parameters = {} if schema is None else {"parameters": schema}
    namespace.apply(a_secret(), a_tool("tool", execute=execute, **parameters))
    namespace.wait("tool/tool", "{.status.status}", "Error")
    assert namespace.get("tool", "tool")["status"]["statusDetail"] == said


CHANNEL = {"apiVersion": API_VERSION, "kind": "ContactChannel", "metadata": {"name": "on-call"}}
BLOCKS = {
    "slack": {"channelOrUserID": "C0123456789"},
    "email": {"address": "a@example.com"},
    "webhook": {"url": "https://example.com/"},
}


@case(
    "manifests in use",
    {
        "type email that also carries a slack block": ("email", ("slack",)),
        "type webhook that also carries both others": ("webhook", ("slack", "email")),
    },
)
def test_blocks_of_other_types_are_ignored_and_named(namespace: Namespace, given: tuple[str, tuple[str, ...]]) -> None:
    type_, others = given
    spec = {"type": type_, **{name: BLOCKS[name] for name in (type_, *others)}}
    namespace.apply({**CHANNEL, "spec": spec})
    namespace.kubectl("wait", "--for=condition=BlocksIgnored", "contactchannel/on-call", "--timeout=60s")
    detail = namespace.get("contactchannel", "on-call")["status"]["statusDetail"]
    assert detail.endswith(f"ignored, since the type is {type_}: {', '.join(others)}")
    missing_block = namespace.apply({**CHANNEL, "spec": {"type": type_, "slack": BLOCKS["slack"]}}, fails=True)
    assert f"{type_} must be set for type {type_}" in missing_block.err


A_CALL = {
    "apiVersion": API_VERSION,
    "kind": "TaskRunToolCall",
    "metadata": {"name": "by-hand"},
    "spec": {"toolCallId": "c", "taskRunRef": {"name": "no-run"}, "toolRef": {"name": "add"}},
}


@case(
    "words that mislead",
    {
        "a hand-made TaskRunToolCall": ("taskruntoolcall/by-hand", "", "no TaskRun made this tool call: KubeChain"),
        "Pending shown above an Error, by a Task": (
            "task/waits",
            "Error",
            'LLM "gpt-4o" is not ready: Secret "openai"',
        ),
        "Pending shown above an Error, by a TaskRun": ("taskrun/early", "Error", 'LLM "gpt-4o" is not ready: Secret'),
    },
)
def test_the_cause_is_told_where_one_looks(waiting: Namespace, given: tuple[str, str, str]) -> None:
    target, status, words = given
    kind, name = target.split("/")
    waiting.until(
        lambda: words in waiting.get(kind, name).get("status", {}).get("statusDetail", ""), watch=kind, what=words
    )
    assert waiting.get(kind, name)["status"]["status"] == (status or "Error")


@case(
    "references that wait for ever",
    {
        "an Agent that names a ContactChannel": ("agent/asks-people", "Error", 'ContactChannel "on-call" is not ready'),
        "an Agent listed under tools": (
            "agent/wrong-list",
            "Error",
            'Agent "my-assistant" exists: list it under subAgents',
        ),
        "an MCPServer listed under tools": ("agent/wrong-server", "Error", "list it under mcpServers"),
        "a TaskRun for an Agent that never comes": ("taskrun/alone", "Pending", "to exist: create it, or name another"),
        "a Task for an Agent that never comes": ("task/alone", "Pending", "to exist: create it, or name another one"),
    },
)
def test_a_reference_that_leads_nowhere_is_told_at_once(waiting: Namespace, given: tuple[str, str, str]) -> None:
    test_the_cause_is_told_where_one_looks(waiting, given)


@pytest.fixture(scope="module")
def waiting(make_namespace: Callable[[str], Namespace], manager: Program, model: MockModel) -> Namespace:
    """A namespace in which everything waits: the LLM's Secret is missing, and other references lead nowhere."""
    assert manager.popen is not None
    namespace = make_namespace("everything-waits")
    alone = {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": "alone"}}
    namespace.apply(
        an_llm(base_url=model.base_url),
        an_agent(),
        a_task("waits"),
        a_task("alone", agent="nobody"),
        {**alone, "spec": {"agentRef": {"name": "nobody"}, "userMessage": "Hello?"}},
        {**alone, "metadata": {"name": "early"}, "spec": {"agentRef": {"name": "my-assistant"}, "userMessage": "Hi"}},
        {**CHANNEL, "spec": {"type": "email", "email": BLOCKS["email"]}},
        an_llm("ready", base_url=model.base_url, secret="ready"),
        a_secret("ready", OPENAI_API_KEY=KEY),
        an_agent("asks-people", llm="ready", humanContactChannels=refs("on-call")),
        an_agent("wrong-list", llm="ready", tools=refs("my-assistant")),
        an_agent("wrong-server", llm="ready", tools=refs("server")),
        an_mcp_server("server", type="http", url="http://127.0.0.1:1/mcp"),
        A_CALL,
    )
    return namespace


@case("words that mislead", {"`explain taskrun.status.conditions`": "taskrun", "of a Task": "task"})
def test_explain_names_the_conditions_that_a_kind_has(cluster: Cluster, given: str) -> None:
    said = " ".join(cluster.kubectl("explain", f"{given}.status.conditions").out.split())
    assert "kubectl wait --for=condition=Finished" in said
    assert "Succeeded: " in said


@case("a sample in the way", {"all samples, then the walk-through": "hello-world-task-1"})
def test_the_walk_through_works_after_all_samples(namespace: Namespace, model: MockModel, given: str) -> None:
    namespace.kubectl("apply", "-f", str(SAMPLES))
    namespace.wait("taskruntoolcall/what-a-call-looks-like", "{.status.phase}", "Cancelled")
    namespace.apply(a_secret(), an_llm(base_url=model.base_url))
    namespace.kubectl("apply", "-f", str(SAMPLES / "agent.yaml"), "-f", str(SAMPLES / "task.yaml"))
    namespace.finished(given)
    namespace.finished("hello-world-task-again")
    namespace.kubectl("wait", "--for=condition=Finished", "task/hello-world-task", "--timeout=60s")
    namespace.kubectl("delete", "-f", str(SAMPLES), "--ignore-not-found")


@case("limits that do not bind", {"parent maxTokens, two sub-agents": {"maxTokens": 60}, "maxTurns": {"maxTurns": 3}})
def test_a_budget_binds_the_tree(namespace: Namespace, model: MockModel, given: dict[str, int]) -> None:
    asked = asks(*(Ask("delegate_to_agent__scout", {"message": "Look."}) for _ in range(2)))
    model[namespace.name].respond = lambda call: asked if call.tools and not call.results else "Seen."
    llm = an_llm(base_url=model.base_url, model=namespace.name)
    parent = an_agent(subAgents=refs("scout"), limits=given)
    namespace.apply(a_secret(), llm, an_agent("scout"), parent, a_task())
    run = namespace.finished("hello-world-task-1", "Failed")
    assert run["status"]["error"].startswith("the run and its sub-agents reached its limit of ")
    assert run["status"]["subAgentUsage"]["totalTokens"] == 50
    assert len(model[namespace.name].calls) == 3


@case("what comes too late", {"`spec.messages` after the end": "messages", "`cancel` after the end": "cancel"})
def test_what_would_steer_a_run_is_refused_after_its_end(namespace: Namespace, model: MockModel, given: str) -> None:
    namespace.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task())
    namespace.finished("hello-world-task-1")
    spec = {"messages": [{"content": "In French, please."}]} if given == "messages" else {"cancel": True}
    patch = json.dumps({"spec": spec})
    said = namespace.kubectl("patch", "taskrun", "hello-world-task-1", "--type=merge", "--patch", patch, fails=True)
    assert f"the run is over, so that {given} would have no effect: create a new TaskRun instead" in said.err
    kept = json.dumps({"spec": {"ttlSecondsAfterFinished": 3600}})
    namespace.kubectl("patch", "taskrun", "hello-world-task-1", "--type=merge", "--patch", kept)


@case("the plan", {"update_plan beside a long call, then cancelled": "look"})
def test_a_plan_is_written_when_made_and_kept_when_cancelled(
    namespace: Namespace, model: MockModel, given: str
) -> None:
    steps = {"steps": [{"step": given, "status": "InProgress"}]}
    asked, let_go = (
        asks(Ask("update_plan", steps), Ask("delegate_to_agent__scout", {"message": "Look."})),
        threading.Event(),
    )

    def respond(call: Call) -> Answer:
        if call.tools:
            return asked
        let_go.wait(HOLD_SECONDS)
        return "Seen."

    model[namespace.name].respond = respond
    llm = an_llm(base_url=model.base_url, model=namespace.name)
    namespace.apply(a_secret(), llm, an_agent("scout"), an_agent(subAgents=refs("scout"), planning=True), a_task())
    namespace.wait("taskrun/hello-world-task-1", "{.status.plan[0].step}", given)
    cancel = json.dumps({"spec": {"cancel": True}})
    namespace.kubectl("patch", "taskrun", "hello-world-task-1", "--type=merge", "--patch", cancel)
    run = namespace.finished("hello-world-task-1", "Cancelled")
    let_go.set()
    assert [step["step"] for step in run["status"]["plan"]] == [given]


@case("waiting in a script", {"a run that failed": "failing", "a run that answered": "fine"})
def test_a_condition_is_true_at_every_end(namespace: Namespace, model: MockModel, given: str) -> None:
    if given == "failing":
        model[namespace.name].answers.append(Failure(400, "broken on purpose"))
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    namespace.kubectl("wait", "--for=create", "taskrun/hello-world-task-1", "--timeout=60s")
    namespace.kubectl("wait", "--for=condition=Finished", "taskrun/hello-world-task-1", "--timeout=60s")
    namespace.kubectl("wait", "--for=condition=Finished", "task/hello-world-task", "--timeout=60s")
    again = a_taskrun("again", task="hello-world-task")
    namespace.apply(again)
    namespace.kubectl("wait", "--for=condition=Succeeded", "taskrun/again", "--timeout=60s")
    namespace.wait("task/hello-world-task", "{.status.lastRun.name}", "again")
    namespace.kubectl("wait", "--for=condition=Succeeded", "task/hello-world-task", "--timeout=60s")


def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(KUBERNETES, __name__, ELSEWHERE)
