"""`kubechain pending`, `approve`, `reject` and `grants`, as a person types them. No manager answers the requests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from test.e2e.cluster import Namespace, Said, table
from test.e2e.processes import KUBECHAIN
from test.e2e.test_schemas import changed, edit, sample

NAME = "tidy-up-1-t0-c0"


def kubechain(space: Namespace, *arguments: str, fails: bool = False) -> Said:
    """Run a command of ours in this namespace."""
    where = ["--namespace", space.name, "--kubeconfig", str(space.cluster.kubeconfig)]
    command = [KUBECHAIN, arguments[0], *where, *arguments[1:]]
    done = subprocess.run(command, env=dict(space.cluster.environment), capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def space(make_unmanaged_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace with a request to people."""
    space = make_unmanaged_namespace("deciding")
    space.apply(sample("humanrequest"))
    return space


def decision(space: Namespace) -> dict[str, Any]:
    return space.get("hr", NAME)["spec"]["decision"]


def me(space: Namespace) -> str:
    return json.loads(space.kubectl("auth", "whoami", "-o", "json").out)["status"]["userInfo"]["username"]


def test_what_waits_is_listed_until_it_is_decided(space: Namespace) -> None:
    [row] = table(kubechain(space, "pending").out)
    assert row["NAME"] == NAME
    assert row["SUBJECT"] == "mcpservers/github"
    assert (row["TASKRUN"], row["EXPIRES"]) == ("tidy-up-1", "never")
    assert row["ASKED"] == 'github__delete_repo {"repo": "old-website"}'
    [item] = json.loads(kubechain(space, "pending", "-o", "json").out)["items"]
    assert item["metadata"]["name"] == NAME
    said = kubechain(space, "approve", NAME)
    assert said.out == f"humanrequest/{NAME} approved: github__delete_repo for taskrun/tidy-up-1\n"
    assert "nothing waits for a decision" in kubechain(space, "pending").err


def test_an_approval_is_about_the_request_and_under_ones_own_name(space: Namespace) -> None:
    kubechain(space, "approve", NAME)
    digest = sample("humanrequest")["spec"]["request"]["digest"]
    assert decision(space) == {"choice": "Approve", "digest": digest, "by": me(space)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("approve", "--for-run"), {"choice": "ApproveForRun"}, id="for the rest of the run"),
        pytest.param(
            ("approve", "--arguments", '{"repo":  "fork"}'),
            {"choice": "Approve", "arguments": '{"repo":  "fork"}'},
            id="with other arguments",
        ),
        pytest.param(("reject", "--comment", "In use."), {"choice": "Reject", "comment": "In use."}, id="a rejection"),
    ],
)
def test_a_decision_says(space: Namespace, arguments: tuple[str, ...], expected: dict[str, str]) -> None:
    kubechain(space, *arguments, NAME)
    assert decision(space).items() >= expected.items()


def test_a_second_decision_is_refused_with_the_first(space: Namespace) -> None:
    kubechain(space, "reject", NAME)
    said = kubechain(space, "approve", NAME, fails=True)
    assert said.err == f"error: {NAME}: already decided: Reject by {me(space)}\n"


def test_what_is_over_or_expired_is_not_decided(space: Namespace) -> None:
    old = changed(sample("humanrequest"), {"metadata.name": "old", "spec.request.expiresAt": "2020-01-01T00:00:00Z"})
    space.apply(old)
    assert "old: the request expired at 2020-01-01T00:00:00Z" in kubechain(space, "approve", "old", fails=True).err
    edit(space, f"hr/{NAME}", {"status.phase": "Withdrawn"}, status=True)
    assert f"{NAME}: the request is over (Withdrawn)" in kubechain(space, "approve", NAME, fails=True).err


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        pytest.param((NAME, "--arguments", "{"), 2, "--arguments: not valid JSON", id="arguments that are no JSON"),
        pytest.param(
            (NAME, "--arguments", "[]"), 2, "--arguments: a JSON object is needed", id="arguments that are a list"
        ),
        pytest.param(("nobody",), 1, '"nobody" not found', id="a request that does not exist"),
    ],
)
def test_a_mistake_is_named(space: Namespace, arguments: tuple[str, ...], status: int, complaint: str) -> None:
    said = kubechain(space, "approve", *arguments, fails=True)
    assert said.status == status
    assert complaint in said.err
    assert "decision" not in space.get("hr", NAME)["spec"]


def test_a_grant_is_listed_until_it_is_revoked(space: Namespace) -> None:
    space.apply(sample("taskrun"))
    target, grant = "taskrun/hello-world-task-again", {"requestName": NAME, "tool": "github__delete_repo", "by": "bob"}
    edit(space, target, {"status.grants": [grant | {"at": "2026-01-02T03:04:05.000000Z"}]}, status=True)
    [row] = table(kubechain(space, "grants").out)
    assert (row["TASKRUN"], row["TOOL"], row["REQUEST"]) == ("hello-world-task-again", "github__delete_repo", NAME)
    kubechain(space, "grants", "--revoke", NAME)
    assert space.get(*target.split("/"))["spec"]["revokedGrants"] == [NAME]
    assert "nothing is approved" in kubechain(space, "grants").err
    assert "no run that goes on has such a grant" in kubechain(space, "grants", "--revoke", NAME, fails=True).err
