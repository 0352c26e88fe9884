"""A channel decides on kube-apiserver, under RBAC and the admission policies: for the user whom it knows as a person.

The manager writes the decision in its own name, so it asks by a LocalSubjectAccessReview what the API server asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_builtin, a_secret, a_taskrun, an_agent, an_llm, refs
from test.e2e.model import Ask, MockModel, asks
from test.e2e.processes import Program
from test.e2e.test_approvers_real import approves
from test.e2e.test_mail import MailServer, a_channel, links_of, serving
from test.e2e.test_verified_real import a_hardened_manager, ended, install_the_policies

pytestmark = pytest.mark.real

RUN = "by-alice"
CALL = f"{RUN}-t0-c0"


@pytest.fixture
def port() -> int:
    """The inbound port of the manager."""
    return processes.free_port()


@pytest.fixture
def hardened(cluster: Cluster, manager: Program, tmp_path: Path, port: int) -> Iterator[Program]:
    flags = ("--allow-addresses=127.0.0.0/8", f"--endpoint-bind-address=127.0.0.1:{port}")
    with a_hardened_manager(cluster, manager, tmp_path, *flags) as program:
        yield program


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    yield from serving(None)


def known_as(space: Namespace, user: str) -> None:
    """From now on the person at the channel is this user of the cluster."""
    patch = json.dumps({"spec": {"identities": {"ann@example.com": user}}})
    space.kubectl("patch", "contactchannel", "ops", "--type=merge", "--patch", patch)


def clicked(space: Namespace, link: str, status: int, expected: str) -> None:
    """Send the form of the page until the answer is the one that is expected; the manager follows a watch."""

    def is_as_expected() -> bool:
        reply = httpx2.post(link)
        return reply.status_code == status and expected in reply.text

    space.until(is_as_expected, watch="contactchannel", what=expected)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("hardened")
def test_a_channel_decides_for_a_user_who_may_and_for_nobody_else(
    make_namespace: Callable[[str], Namespace], model: MockModel, mail_server: MailServer, port: int
) -> None:
    space = make_namespace("channels")
    install_the_policies(space)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "add"}}
    space.apply(role | {"rules": [approves("tools", "add")]})
    space.kubectl("create", "rolebinding", "add", "--role=add", "--user=bob", "--user=alice")
    model[space.name].answers = [asks(Ask("add", {"a": 2, "b": 3})), "Done."]
    space.apply(*a_channel(mail_server, port, tls="None", username=None, passwordFrom=None))
    space.wait("contactchannel/ops", "{.status.ready}", "true")
    space.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=space.name),
        a_builtin("add", approvalContactChannel={"name": "ops"}),
        an_agent(tools=refs("add")),
    )
    run = a_taskrun(RUN, task="") | {"spec": {"agentRef": {"name": "my-assistant"}, "userMessage": "Add."}}
    by_alice = ("--as=alice", "--as-group=system:masters")
    space.kubectl("create", "-f", "-", *by_alice, stdin=json.dumps(run))
    link = links_of(mail_server.mail())["Approve"]

    known_as(space, "carol")
    clicked(space, link, 403, "carol may not decide about tools/add: that needs the verb approve on it")
    known_as(space, "alice")
    clicked(space, link, 403, "somebody else must decide: alice created the TaskRun")
    assert "decision" not in space.get("hr", CALL)["spec"]
    known_as(space, "bob")
    clicked(space, link, 200, "recorded: Approve by email:ann@example.com")

    assert ended(space, RUN)["phase"] == "Succeeded"
    request = space.get("hr", CALL)
    assert request["status"]["identity"] == "Delegated"
    assert request["spec"]["decision"]["through"] == "contactchannels/ops"
    assert request["spec"]["decision"]["by"] == "email:ann@example.com"
