"""What the API server itself refuses: every rule of the CRDs, with the message that a person reads.

No manager runs here. A case is a good manifest with one thing made wrong; the good ones are those of
`config/samples`, which must be accepted as they are. Server-side dry runs leave nothing behind.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from test.e2e.cluster import Cluster, Namespace

SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"

REMOVE = object()
"""Value that takes the field away."""

API_VERSION = "kubechain.humanlayer.dev/v1alpha1"


@pytest.fixture(scope="module")
def space(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace without a manager."""
    return make_unmanaged_namespace("schemas")


def changed(manifest: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values at these dotted paths replaced."""
    result = copy.deepcopy(dict(manifest))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is REMOVE:
            place.pop(last)
        else:
            place[last] = copy.deepcopy(value)
    return result


def sample(name: str) -> dict[str, Any]:
    return yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())


REFUSED: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "a field that does not exist": ("agent", {"spec.sistem": "x"}, 'unknown field "spec.sistem"'),
    "a field of the wrong type": ("agent", {"spec.system": 5}, 'spec.system: Invalid value: "integer"'),
    "a field that is missing": ("agent", {"spec.llmRef": REMOVE}, "spec.llmRef: Required value"),
    "a value that is not among the choices": (
        "llm",
        {"spec.provider": "skynet"},
        'spec.provider: Unsupported value: "skynet": supported values: "openai", "anthropic", "mistral", "google"',
    ),
    "an agent without a system prompt": ("agent", {"spec.system": REMOVE}, "spec.system: Required value"),
    "an agent with an empty system prompt": ("agent", {"spec.system": ""}, "spec.system: Invalid value"),
    "an agent with a blank system prompt": ("agent", {"spec.system": " \n "}, "spec.system: Invalid value"),
    "an agent with a limit of zero turns": (
        "agent",
        {"spec.limits.maxTurns": 0},
        "spec.limits.maxTurns: Invalid value: 0: spec.limits.maxTurns in body should be greater than or equal to 1",
    ),
    "a task with an empty message": ("task", {"spec.message": ""}, "spec.message: Invalid value"),
    "a task with a blank message": ("task", {"spec.message": "\t"}, "spec.message: Invalid value"),
    "an LLM without a key": (
        "llm",
        {"spec.apiKeyFrom": REMOVE},
        "apiKeyFrom is required, except where parameters.baseUrl",
    ),
    "an LLM with another provider's settings": (
        "llm",
        {"spec.anthropic": {}},
        "spec.anthropic: Invalid value: anthropic may be set only for provider anthropic",
    ),
    "a temperature that is not quoted": ("llm", {"spec.parameters.temperature": 0.5}, "spec.parameters.temperature"),
    "a temperature out of bounds": (
        "llm",
        {"spec.parameters.temperature": "3"},
        "spec.parameters.temperature: Invalid value",
    ),
    "a top-p out of bounds": ("llm", {"spec.parameters.topP": "1.5"}, "spec.parameters.topP: Invalid value"),
    "a base URL that is none": (
        "llm",
        {"spec.parameters.baseUrl": "localhost"},
        "spec.parameters.baseUrl: Invalid value",
    ),
    "Bedrock without a region": ("llm", {"spec.provider": "bedrock"}, "bedrock must be set for provider bedrock"),
    "Vertex without a project": ("llm", {"spec.provider": "vertex"}, "vertex must be set for provider vertex"),
    "a tool of type function that executes nothing": (
        "tool",
        {"spec.execute": REMOVE},
        "a tool of type function needs execute.builtin",
    ),
    "a tool that executes two things": (
        "tool",
        {"spec.execute.externalAPI": {"url": "https://example.com"}},
        "set exactly one of builtin, externalAPI and container",
    ),
    "a tool that delegates to nobody": ("tool", {"spec.toolType": "delegateToAgent"}, "needs agentRef"),
    "a tool with its schema under both names": ("tool", {"spec.arguments": {}}, "two names of the same field"),
    "an MCP server without a type": ("mcpserver", {"spec.type": REMOVE}, "set exactly one of type and transport"),
    "an MCP server with both names of the type": (
        "mcpserver",
        {"spec.transport": "stdio"},
        "set exactly one of type and transport",
    ),
    "a stdio server without a command": (
        "mcpserver",
        {"spec.command": REMOVE},
        "spec.command: Required value: a server of type stdio needs command",
    ),
    "an HTTP server without an address": (
        "mcpserver",
        {"spec.type": REMOVE, "spec.transport": "http"},
        "spec.url: Required value: a server of type http or sse needs url",
    ),
    "a variable with two values": (
        "mcpserver",
        {"spec.env": [{"name": "A", "value": "b", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        "value and valueFrom are two ways to give the same thing",
    ),
    "a Slack channel without its settings": (
        "contactchannel",
        {"spec.slack": REMOVE},
        "slack must be set for type slack",
    ),
    "a Slack channel by its name": (
        "contactchannel",
        {"spec.slack.channelOrUserID": "#on-call"},
        "spec.slack.channelOrUserID in body should match '^[CU][A-Z0-9]+$'",
    ),
    "a run of nothing": (
        "taskrun",
        {"spec.taskRef": REMOVE},
        "set taskRef, or agentRef with userMessage, contextWindow or continueFrom",
    ),
    "a run of an agent that is asked nothing": (
        "taskrun",
        {"spec.taskRef": REMOVE, "spec.userMessage": REMOVE, "spec.agentRef": {"name": "a"}},
        "set taskRef, or agentRef with userMessage, contextWindow or continueFrom",
    ),
    "terms of an approval that no call of a tool needs": (
        "tool_with_approval",
        {"spec.requiresApproval": False},
        "spec.approval: Invalid value: approval says how calls are approved, not that they are",
    ),
    "terms of an approval that no call of a server needs": (
        "mcpserver",
        {"spec.approval.exceptReadOnly": True},
        "spec.approval: Invalid value: approval says how calls are approved, not that they are",
    ),
    "a time to decide that is none": (
        "tool_with_approval",
        {"spec.approval.expireAfter": "a week"},
        "spec.approval.expireAfter: Invalid value",
    ),
    "a request of a type that does not exist": (
        "humanrequest",
        {"spec.request.type": "Wish"},
        'spec.request.type: Unsupported value: "Wish"',
    ),
    "a request about what nobody has rights on": (
        "humanrequest",
        {"spec.request.subject.resource": "secrets"},
        'spec.request.subject.resource: Unsupported value: "secrets"',
    ),
    "a request without a choice": ("humanrequest", {"spec.request.choices": []}, "spec.request.choices"),
    "a request with a digest that is none": (
        "humanrequest",
        {"spec.request.digest": "md5:1"},
        "spec.request.digest: Invalid value",
    ),
    "a policy with another action": (
        "approvalpolicy",
        {"spec.action": "Allow"},
        'spec.action: Unsupported value: "Allow"',
    ),
    "a message from nobody": (
        "taskrun",
        {"spec.contextWindow": [{"role": "ghost", "content": "boo"}]},
        'spec.contextWindow[0].role: Unsupported value: "ghost"',
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_the_server_refuses(space: Namespace, case: tuple[str, Mapping[str, Any], str]) -> None:
    name, changes, message = case
    refused = space.kubectl(
        "create", "--dry-run=server", "-f", "-", stdin=json.dumps(changed(sample(name), changes)), fails=True
    )
    assert message in refused.err


ACCEPTED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "a server without a key": (
        "llm",
        {"spec.apiKeyFrom": REMOVE, "spec.parameters": {"baseUrl": "http://localhost:8000/v1"}},
    ),
    "a run of an agent, without a task": ("taskrun", {"spec.taskRef": REMOVE, "spec.agentRef": {"name": "a"}}),
    "a run that continues a conversation": (
        "taskrun",
        {
            "spec.taskRef": REMOVE,
            "spec.userMessage": REMOVE,
            "spec.agentRef": {"name": "a"},
            "spec.contextWindow": [{"role": "user", "content": "hi"}],
        },
    ),
    "an MCP server by the other name of its type": (
        "mcpserver",
        {"spec.type": REMOVE, "spec.transport": "sse", "spec.url": "http://localhost:1/sse", "spec.command": REMOVE},
    ),
    "a tool with the older name of its schema": (
        "tool",
        {"spec.parameters": REMOVE, "spec.arguments": {"type": "object"}},
    ),
    "an MCP server with a contact channel for approvals": (
        "mcpserver",
        {
            "spec.approvalContactChannel.name": "on-call",
            "spec.approval": {"tools": ["delete_*"], "expireAfter": "never"},
        },
    ),
    "an HTTP tool whose endpoint requires approval": (
        "tool_http",
        {"spec.execute.externalAPI.requiresApproval": True, "spec.approval.expireAfter": "1h30m"},
    ),
    "a task name of 253 characters": ("task", {"metadata.name": "t" * 253}),
}


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_server_accepts(space: Namespace, case: tuple[str, Mapping[str, Any]]) -> None:
    name, changes = case
    space.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(changed(sample(name), changes)))


def test_every_sample_is_accepted(space: Namespace) -> None:
    for path in sorted(SAMPLES.glob("[!k]*.yaml")):
        space.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(path))


def edit(
    space: Namespace, target: str, changes: Mapping[str, Any], *, status: bool = False, fails: bool = False
) -> str:
    """Merge-patch an object; return what kubectl complains of."""
    where = ["--subresource=status"] if status else []
    patch = json.dumps(changed({}, changes))
    return space.kubectl("patch", target, "--type=merge", *where, "--patch", patch, fails=fails).err


IMMUTABLE: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "a run's message": ("taskrun", {"spec.userMessage": "Another?"}, "userMessage is immutable"),
    "a run's message, taken away": ("taskrun", {"spec.userMessage": None}, "userMessage is immutable"),
    "a run's agent, added": ("taskrun", {"spec.agentRef.name": "other"}, "agentRef is immutable"),
    "a run's task": ("taskrun", {"spec.taskRef.name": "other"}, "taskRef is immutable"),
    "a run's first messages, added": (
        "taskrun",
        {"spec.contextWindow": [{"role": "user", "content": "hi"}]},
        "contextWindow is immutable",
    ),
    "a tool call's arguments": ("taskruntoolcall", {"spec.arguments": "{}"}, "a tool call is immutable"),
}


@pytest.mark.parametrize("case", IMMUTABLE.values(), ids=IMMUTABLE.keys())
def test_the_server_keeps(
    make_unmanaged_namespace: Callable[[str], Namespace], case: tuple[str, Mapping[str, Any], str]
) -> None:
    name, changes, message = case
    space = make_unmanaged_namespace("immutable")
    space.apply(sample(name))
    target = f"{name}/{sample(name)['metadata']['name']}"
    assert message in edit(space, target, changes, fails=True)


def test_a_run_can_be_cancelled_but_not_revived(make_unmanaged_namespace: Callable[[str], Namespace]) -> None:
    space = make_unmanaged_namespace("cancel")
    space.apply(sample("taskrun"))
    target = "taskrun/hello-world-task-again"
    edit(space, target, {"spec.ttlSecondsAfterFinished": 60})
    edit(space, target, {"spec.cancel": True})
    assert "a cancelled run cannot be continued" in edit(space, target, {"spec.cancel": False}, fails=True)


REQUEST = "humanrequest/tidy-up-1-t0-c0"
DIGEST = str(sample("humanrequest")["spec"]["request"]["digest"])
APPROVED: dict[str, Any] = {"spec.decision": {"choice": "Approve", "digest": DIGEST, "by": "bob"}}


@pytest.fixture
def asking(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace with a request to people."""
    space = make_unmanaged_namespace("asking")
    space.apply(sample("humanrequest"))
    return space


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"spec.request.arguments": "{}"}, "a request is immutable", id="another question"),
        pytest.param({"spec.request.subject.name": "other"}, "a request is immutable", id="another subject"),
        pytest.param(
            APPROVED | {"spec.decision.digest": "sha256:" + "0" * 64},
            "decision.digest must be the digest of this request",
            id="a decision about something else",
        ),
        pytest.param(
            {"spec.decision": {"choice": "Approve", "by": "bob"}},
            "spec.decision.digest: Required value",
            id="a decision that does not say what it is about",
        ),
        pytest.param(
            APPROVED | {"spec.decision.choice": "Maybe"}, "spec.decision.choice: Unsupported value", id="no choice"
        ),
        pytest.param(
            APPROVED | {"spec.decision.choice": "Reject", "spec.decision.arguments": "{}"},
            "other arguments go with choice Approve only",
            id="a rejection with other arguments",
        ),
    ],
)
def test_a_request_refuses(asking: Namespace, changes: Mapping[str, Any], message: str) -> None:
    assert message in edit(asking, REQUEST, changes, fails=True)
    assert "decision" not in asking.get(*REQUEST.split("/"))["spec"]


def test_a_choice_that_the_request_does_not_offer_is_refused(
    make_unmanaged_namespace: Callable[[str], Namespace],
) -> None:
    space = make_unmanaged_namespace("choices")
    space.apply(changed(sample("humanrequest"), {"spec.request.choices": ["Approve", "Reject"]}))
    refused = edit(space, REQUEST, APPROVED | {"spec.decision.choice": "ApproveForRun"}, fails=True)
    assert "decision.choice must be one of request.choices" in refused


def test_a_request_is_decided_once(asking: Namespace) -> None:
    edit(asking, REQUEST, APPROVED)
    for change in ({"spec.decision.choice": "Reject"}, {"spec.decision.comment": "but"}, {"spec.decision": None}):
        assert "a decision is made once and stays" in edit(asking, REQUEST, change, fails=True)
    edit(asking, REQUEST, {"status.phase": "Decided"}, status=True)


def test_nobody_decides_what_is_over(asking: Namespace) -> None:
    edit(asking, REQUEST, {"status.phase": "Withdrawn"}, status=True)
    assert "the request is over, and nobody waits" in edit(asking, REQUEST, APPROVED, fails=True)


def test_a_revoked_grant_stays_revoked(make_unmanaged_namespace: Callable[[str], Namespace]) -> None:
    space = make_unmanaged_namespace("grants")
    space.apply(sample("taskrun"))
    target = "taskrun/hello-world-task-again"
    edit(space, target, {"spec.revokedGrants": ["a", "b"]})
    edit(space, target, {"spec.revokedGrants": ["c", "b", "a"]})
    for fewer in (["a", "c"], None):
        assert "revokedGrants can only be added" in edit(space, target, {"spec.revokedGrants": fewer}, fails=True)


FINAL = {
    "taskrun": ("FinalAnswer", "Failed", "Cancelled"),
    "humanrequest": ("Decided", "Expired", "Withdrawn"),
    "taskruntoolcall": ("Succeeded", "Failed", "ToolCallRejected", "OutcomeUnknown", "Cancelled"),
}


@pytest.mark.parametrize(
    ("name", "phase"),
    [(name, phase) for name, phases in FINAL.items() for phase in phases],
    ids=str,
)
def test_a_final_phase_stays(make_unmanaged_namespace: Callable[[str], Namespace], name: str, phase: str) -> None:
    space = make_unmanaged_namespace(f"final-{phase}")
    space.apply(sample(name))
    target = f"{name}/{sample(name)['metadata']['name']}"
    edit(space, target, {"status.phase": phase}, status=True)
    for revival in ("Open" if name == "humanrequest" else "Pending", None):
        assert "its phase is final" in edit(space, target, {"status.phase": revival}, status=True, fails=True)
    assert "its phase is final" in edit(space, target, {"status": None}, status=True, fails=True)
    edit(space, target, {"status.statusDetail": "noted later"}, status=True)


def test_the_status_cannot_be_written_with_the_spec(make_unmanaged_namespace: Callable[[str], Namespace]) -> None:
    space = make_unmanaged_namespace("isolation")
    space.apply(sample("task"))
    edit(space, "task/hello-world-task", {"status.output": "forged"})
    assert space.get("task", "hello-world-task").get("status", {}).get("output") != "forged"


def test_what_a_provider_needs_back_is_kept_as_it_is(make_unmanaged_namespace: Callable[[str], Namespace]) -> None:
    space = make_unmanaged_namespace("provider-data")
    parts: list[dict[str, Any]] = [
        {"message": {"reasoning_content": "Let me think.", "deep": {"a": [1, 2.5, False, [{}], ""]}}},
        {"toolCall": 0, "call": {"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}},
    ]
    data = {"provider": "openai", "model": "gpt-4o", "parts": parts}
    window = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hi.", "providerData": data}]
    space.apply(changed(sample("taskrun"), {"metadata.name": "fork", "spec.contextWindow": window}))
    edit(space, "taskrun/fork", {"status.contextWindow": window}, status=True)
    stored = space.get("taskrun", "fork")
    assert stored["spec"]["contextWindow"][1]["providerData"] == data
    assert stored["status"]["contextWindow"][1]["providerData"] == data
    # The manager writes with PUT, which keeps nulls too; kubectl takes them out of what it applies.
    parts[0]["message"]["nothing"] = None
    stored["status"]["contextWindow"][1]["providerData"]["parts"] = parts
    path = f"/apis/{API_VERSION}/namespaces/{space.name}/taskruns/fork/status"
    space.kubectl("replace", "--raw", path, "-f", "-", stdin=json.dumps(stored))
    assert space.get("taskrun", "fork")["status"]["contextWindow"][1]["providerData"]["parts"] == parts
    other = [window[0], window[1] | {"providerData": data | {"model": "other"}}]
    assert "contextWindow is immutable" in edit(space, "taskrun/fork", {"spec.contextWindow": other}, fails=True)


def test_explain_describes_every_field(cluster: Cluster) -> None:
    shown = cluster.kubectl("explain", "taskrun", "--recursive").out
    for field in ("userMessage", "contextWindow", "userMsgPreview", "traceID", "toolCallRequestId"):
        assert field in shown
    assert "System prompt" in cluster.kubectl("explain", "agent.spec.system").out
