"""Runs that ask a person when they have reached a limit, and people who decide with kubectl or with our command."""

from __future__ import annotations

from typing import Any

import pytest

from test.e2e.cluster import Namespace, table
from test.e2e.manifests import API_VERSION, a_secret, a_task, a_taskrun, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, Script, asks
from test.e2e.processes import Program
from test.e2e.test_asking import RECOVERY_SECONDS, RUN, printed_command
from test.e2e.test_deciding import kubechain

FIRST = f"{RUN}-budget-1"
BELOW = f"{RUN}-t0-c0-run"
LEAF = f"{BELOW}-t0-c0-run"
PLAN = asks(Ask("update_plan", {"steps": []}))
LIMITS = {"maxTurns": 1, "onExceeded": "Ask"}


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, with an LLM for it."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    return model[namespace.name]


@pytest.fixture
def stopped(namespace: Namespace, script: Script) -> Namespace:
    """A namespace with a run that has used its one turn and needs another one."""
    script.answers = [PLAN, "Done."]
    namespace.apply(an_agent(planning=True, limits=LIMITS), a_task())
    namespace.wait(f"hr/{FIRST}", "{.status.phase}", "Open")
    return namespace


def status_of(namespace: Namespace) -> dict[str, Any]:
    return namespace.get("taskrun", RUN)["status"]


def test_a_run_at_its_limit_goes_on_by_the_kubectl_command_that_is_printed(stopped: Namespace) -> None:
    [row] = table(stopped.kubectl("get", "hr").out)
    assert (row["TYPE"], row["TASKRUN"], row["PHASE"]) == ("Budget", RUN, "Open")
    described = stopped.kubectl("describe", "hr", FIRST).out
    assert "maxTurns: 1 allowed, 1 used with its sub-agents, 1 more by Approve" in described
    assert f"kubechain answer {FIRST} -n {stopped.name} --add turns=1" in described
    waits = f'HumanRequest "{FIRST}" asks what to add'
    assert waits in stopped.kubectl("describe", "taskrun", RUN).out
    # A Task keeps quiet about its run for a second.
    stopped.wait("task/hello-world-task", "{.status.lastRun.phase}", "Waiting")
    assert waits in stopped.get("task", "hello-world-task")["status"]["statusDetail"]
    stopped.cluster.kubectl(*printed_command(stopped, FIRST, "BudgetRequested"))
    stopped.finished(RUN)
    stopped.wait(f"hr/{FIRST}", "{.status.phase}", "Decided")
    [asked] = status_of(stopped)["budgetRequests"]
    assert (asked["choice"], asked["added"]) == ("Approve", {"turns": 1})


@pytest.mark.parametrize(
    ("typed", "phase", "told"),
    [
        pytest.param(("approve",), "FinalAnswer", "", id="approved"),
        pytest.param(("answer", "--add", "turns=5,tokens=1000"), "FinalAnswer", "", id="with what is added"),
        pytest.param(("reject", "--comment", "Too expensive."), "Failed", "Too expensive.", id="rejected"),
    ],
)
def test_a_budget_is_decided_by_our_command(stopped: Namespace, typed: tuple[str, ...], phase: str, told: str) -> None:
    kubechain(stopped, typed[0], FIRST, *typed[1:])
    status = stopped.finished(RUN, phase)["status"]
    assert told in status.get("error", "")


def test_an_answer_that_cannot_be_used_is_asked_for_again(stopped: Namespace) -> None:
    kubechain(stopped, "answer", FIRST, "--add", "tokens=5")
    second = f"{RUN}-budget-2"
    stopped.wait(f"hr/{second}", "{.status.phase}", "Open")
    assert f"The answer to {FIRST} could not be used" in stopped.kubectl("describe", "hr", second).out
    kubechain(stopped, "approve", second)
    stopped.finished(RUN)


def test_a_budget_outlives_its_manager_and_is_asked_once(stopped: Namespace, manager: Program) -> None:
    asked = stopped.get("hr", FIRST)["metadata"]["uid"]
    manager.kill()
    kubechain(stopped, "approve", FIRST)
    manager.start()
    stopped.finished(RUN, timeout_seconds=RECOVERY_SECONDS)
    assert [request["metadata"]["uid"] for request in stopped.list("hr")] == [asked]


def test_a_budget_is_withdrawn_when_the_limit_is_raised(stopped: Namespace) -> None:
    stopped.kubectl("patch", "agent", "my-assistant", "--type=merge", "-p", '{"spec":{"limits":{"maxTurns":5}}}')
    stopped.finished(RUN)
    stopped.wait(f"hr/{FIRST}", "{.status.phase}", "Withdrawn")


def test_the_leaf_of_a_tree_asks_and_is_cancelled_from_the_root(namespace: Namespace, script: Script) -> None:
    script.answers = [
        asks(Ask("delegate_to_agent__middle", {"message": "Go on."})),
        asks(Ask("delegate_to_agent__leaf", {"message": "Go on."})),
        PLAN,
    ]
    leaf, middle = an_agent("leaf", planning=True, limits=LIMITS), an_agent("middle", subAgents=refs("leaf"))
    namespace.apply(leaf, middle, an_agent(subAgents=refs("middle")), a_task())
    namespace.wait(f"hr/{LEAF}-budget-1", "{.status.phase}", "Open")
    namespace.kubectl("patch", "taskrun", RUN, "--type=merge", "-p", '{"spec":{"cancel":true}}')
    namespace.wait(f"hr/{LEAF}-budget-1", "{.status.phase}", "Withdrawn")
    for name in (RUN, BELOW, LEAF):
        namespace.finished(name, "Cancelled")


def test_a_budget_of_the_namespace_holds_runs_until_it_is_raised_and_counts_deleted_ones(
    namespace: Namespace, script: Script
) -> None:
    script.answers = ["Done."]
    spec = {"maxTokens": 1, "period": "Month"}
    team = {"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": "team"}, "spec": spec}
    namespace.apply(team, an_agent())
    namespace.wait("budget/team", "{.status.left}", "1 tokens")
    namespace.apply(a_task())
    namespace.finished(RUN)
    namespace.wait("budget/team", "{.status.left}", "0 tokens")
    namespace.kubectl("delete", "taskrun", RUN)
    namespace.apply(a_taskrun("again", task="hello-world-task"))
    namespace.wait("taskrun/again", "{.status.waitingForBudget}", "team")
    [row] = table(namespace.kubectl("get", "budgets").out)
    assert (row["PERIOD"], row["LIMIT"], row["LEFT"]) == ("Month", "1 tokens", "0 tokens")
    assert "BudgetSpent" in namespace.kubectl("describe", "budget", "team").out
    namespace.kubectl("patch", "budget", "team", "--type=merge", "-p", '{"spec":{"maxTokens":1000000}}')
    namespace.finished("again")
