"""kubectl wait and kstatus see each kind as it is: before a manager has seen it, ready, and after an edit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from test.e2e import kstatus
from test.e2e.cluster import Namespace
from test.e2e.manifests import (
    API_VERSION,
    a_builtin,
    a_secret,
    a_task,
    an_agent,
    an_llm,
    an_mcp_server,
    refs,
)
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.slackserver import a_slack_server
from test.e2e.test_slack import a_channel

SECONDS = "--timeout=60s"

EDITS: Mapping[str, Mapping[str, Any]] = {
    "llm/gpt-4o": {"maxConcurrentRequests": 7},
    "agent/my-assistant": {"description": "Helps."},
    "tool/add": {"description": "Adds."},
    "mcpserver/desk": {"tools": {"include": ["greet"]}},
    "contactchannel/ops": {"slack": {"contextAboutChannelOrUser": "The people on call."}},
    "approvalpolicy/strict": {"tools": ["nothing", "like-this"]},
    "budget/all": {"maxTokens": 2_000_000},
    "task/hello-world-task": {"goal": "Know it."},
}
"""For each kind that people keep in Git an edit that leaves it ready."""


@pytest.fixture
def space(
    manager: Program, make_namespace: Callable[[str], Namespace], model: MockModel
) -> Iterator[tuple[Namespace, MockModel]]:
    assert manager.popen is not None
    space = make_namespace("kstatus")
    with a_slack_server() as slack:
        space.apply(*everything(model, space.name), *a_channel(slack))
        yield space, model
        space.kubectl("delete", "mcpserver,contactchannel", "--all")


def everything(model: MockModel, name: str) -> list[dict[str, Any]]:
    """One object of each kind that people write, but for the ContactChannel."""
    policy = {"tools": ["nothing"], "action": "Require"}
    return [
        a_secret(),
        an_llm(base_url=model.base_url, model=name),
        an_agent(),
        a_builtin(),
        an_mcp_server("desk", **peers.over_stdio()),
        {"apiVersion": API_VERSION, "kind": "ApprovalPolicy", "metadata": {"name": "strict"}, "spec": policy},
        {"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": "all"}, "spec": {"maxTokens": 1_000_000}},
        a_task(),
    ]


def seen(space: Namespace, target: str) -> dict[str, Any]:
    return space.get(*target.split("/"))


def test_an_object_that_no_manager_has_seen_is_in_progress(
    make_unmanaged_namespace: Callable[[str], Namespace], model: MockModel
) -> None:
    space = make_unmanaged_namespace("unseen")
    with a_slack_server() as slack:
        space.apply(*everything(model, space.name), *a_channel(slack))
    assert {target: kstatus.computed(seen(space, target)) for target in EDITS} == dict.fromkeys(EDITS, "InProgress")


@pytest.mark.timeout(300)
def test_what_people_write_becomes_current_and_again_after_an_edit(space: tuple[Namespace, MockModel]) -> None:
    namespace, _ = space
    for target in EDITS:
        namespace.kubectl("wait", "--for=condition=Ready", target, SECONDS)
        assert kstatus.computed(seen(namespace, target)) == "Current", target
    namespace.kubectl("wait", "--for=condition=Finished", "task/hello-world-task", SECONDS)
    for target, edit in EDITS.items():
        namespace.kubectl("patch", target, "--type=merge", "--patch", json.dumps({"spec": edit}))
        assert seen(namespace, target)["metadata"]["generation"] == 2, target
    for target in EDITS:
        until_current(namespace, target)
        for type_ in true_conditions(namespace, target):
            namespace.kubectl("wait", f"--for=condition={type_}", target, SECONDS)


def until_current(space: Namespace, target: str) -> None:
    space.until(
        lambda: kstatus.computed(seen(space, target)) == "Current",
        watch=target.partition("/")[0],
        what=f"{target} is Current",
    )


def true_conditions(space: Namespace, target: str) -> list[str]:
    return [one["type"] for one in seen(space, target)["status"].get("conditions", []) if one["status"] == "True"]


@pytest.mark.timeout(300)
def test_what_is_made_by_working_is_waited_for_by_its_conditions_after_an_edit(
    space: tuple[Namespace, MockModel],
) -> None:
    namespace, model = space
    script = model[namespace.name]
    namespace.kubectl("wait", "--for=condition=Finished", "task/hello-world-task", SECONDS)
    script.answers = [asks(Ask("add", {"a": 2, "b": 3})), "Five."]
    namespace.apply(
        a_builtin(requiresApproval=True), an_agent("careful", tools=refs("add")), a_task("sum", agent="careful")
    )
    namespace.wait("hr/sum-1-t0-c0", "{.status.phase}", "Open")
    request = namespace.get("hr", "sum-1-t0-c0")
    assert kstatus.computed(request) == "Current"
    decision = {"choice": "Approve", "digest": request["spec"]["request"]["digest"]}
    patch = json.dumps({"spec": {"decision": decision}})
    namespace.kubectl("patch", "hr", "sum-1-t0-c0", "--type=merge", "--patch", patch)
    namespace.kubectl("wait", "--for=condition=Decided", "hr/sum-1-t0-c0", SECONDS)
    namespace.kubectl("wait", "--for=condition=Finished", "taskrun/sum-1", SECONDS)
    namespace.kubectl(
        "patch", "taskrun", "sum-1", "--type=merge", "--patch", '{"spec":{"ttlSecondsAfterFinished":9999}}'
    )
    assert namespace.get("taskrun", "sum-1")["metadata"]["generation"] == 2
    for target in ("taskrun/sum-1", "taskruntoolcall/sum-1-t0-c0", "humanrequest/sum-1-t0-c0"):
        until_current(namespace, target)
        for type_ in true_conditions(namespace, target):
            namespace.kubectl("wait", f"--for=condition={type_}", target, SECONDS)


@pytest.mark.timeout(300)
def test_what_cannot_work_stays_in_progress_and_is_current_when_it_is_repaired(
    space: tuple[Namespace, MockModel],
) -> None:
    namespace, _ = space
    namespace.kubectl("wait", "--for=condition=Ready", "agent/my-assistant", SECONDS)
    namespace.kubectl("delete", "secret", "openai")
    for target in ("llm/gpt-4o", "agent/my-assistant"):
        namespace.kubectl("wait", "--for=condition=Ready=false", target, SECONDS)
        assert kstatus.computed(seen(namespace, target)) == "InProgress"
    namespace.apply(a_secret())
    for target in ("llm/gpt-4o", "agent/my-assistant"):
        until_current(namespace, target)


A = {"generation": 2}
DELETED = {"generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"}


def a_condition(type_: str, status: str) -> dict[str, Any]:
    return {"conditions": [{"type": type_, "status": status}]}


@pytest.mark.parametrize(
    ("metadata", "status", "expected"),
    [
        pytest.param(DELETED, {}, "Terminating", id="deleted"),
        pytest.param(A, {"observedGeneration": 1, **a_condition("Ready", "True")}, "InProgress", id="edited since"),
        pytest.param(A, {"observedGeneration": -1}, "InProgress", id="never seen"),
        pytest.param(A, {}, "Current", id="no status at all"),
        pytest.param(A, a_condition("Reconciling", "True"), "InProgress", id="reconciling"),
        pytest.param(A, a_condition("Stalled", "True"), "Failed", id="stalled"),
        pytest.param(A, a_condition("Ready", "Unknown"), "InProgress", id="nobody knows"),
        pytest.param(A, a_condition("Ready", "True"), "Current", id="ready"),
        pytest.param(A, a_condition("Finished", "False"), "Current", id="other conditions do not count"),
    ],
)
def test_the_rules_of_kstatus(metadata: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    assert kstatus.computed({"metadata": metadata, "status": status}) == expected
