"""Who may decide about what, as kube-apiserver holds it with RBAC and the admission policies of `config/`.

No manager runs here: the requests are made in its name. People are impersonated; each has the rights of a role of ours.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.controllers.authority import POLICY, enforcement_of
from test.e2e.cluster import Cluster, Namespace

pytestmark = pytest.mark.real

CONFIG = Path(__file__).resolve().parents[2] / "config"
MANAGER = "system:serviceaccount:kubechain-system:kubechain-manager"
REQUEST: Mapping[str, Any] = yaml.safe_load((CONFIG / "samples" / "humanrequest.yaml").read_text())
DIGEST = REQUEST["spec"]["request"]["digest"]
NAME = REQUEST["metadata"]["name"]

APPROVE = {"choice": "Approve", "digest": DIGEST}


def approves(resource: str, name: str) -> dict[str, Any]:
    rule = {"apiGroups": ["kubechain.humanlayer.dev"], "resources": [resource], "verbs": ["approve"]}
    return rule | {"resourceNames": [name]}


@pytest.fixture(scope="module")
def policies(cluster: Cluster) -> Iterator[None]:
    """The release and the stamps, installed, and taken away again: other tests run other managers."""
    cluster.kubectl("apply", "-k", str(CONFIG / "default"))
    cluster.kubectl("apply", "-k", str(CONFIG / "admission-stamps"))
    yield
    remove_policies(cluster)


def remove_policies(cluster: Cluster) -> None:
    """Take the admission policies away: they let no manager make requests but that of the release."""
    for folder in ("admission", "admission-stamps"):
        cluster.kubectl("delete", "--ignore-not-found", "-k", str(CONFIG / folder))


@pytest.fixture(scope="module")
def space(policies: None, make_namespace: Callable[[str], Namespace]) -> Namespace:
    """A namespace with people: bob decides about github, carol about gitlab, dan has the verb but may not patch."""
    space = make_namespace("approvers")
    for role, resource, name in (("github", "mcpservers", "github"), ("gitlab", "mcpservers", "gitlab")):
        rules = [approves(resource, name)]
        space.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": role},
                "rules": rules,
            }
        )
    bindings = (
        ("decide", "clusterrole=kubechain-approver", "bob", "carol", "alice", "root"),
        ("edit", "clusterrole=kubechain-editor", "alice", "erin"),
        ("github", "role=github", "bob", "alice", "dan", "erin"),
        ("gitlab", "role=gitlab", "carol"),
    )
    for name, role, *users in bindings:
        space.kubectl("create", "rolebinding", name, f"--{role}", *(f"--user={user}" for user in users))
    space.kubectl("create", "serviceaccount", "agent")
    for role in ("clusterrole=kubechain-approver", "role=github"):
        name = f"agent-{role.rpartition('=')[2]}"
        space.kubectl("create", "rolebinding", name, f"--{role}", f"--serviceaccount={space.name}:agent")
    wait_for_the_policies(space)
    return space


def wait_for_the_policies(space: Namespace) -> None:
    """Policies are in force some time after they were made."""
    made_by_a_person = json.dumps(REQUEST)
    space.until(
        lambda: (
            "made by the manager alone" in tried(space, "create", "--dry-run=server", "-f", "-", stdin=made_by_a_person)
        ),
        watch="configmap",
        what="the admission policies are in force",
    )
    run = a_run("probe")
    space.until(
        lambda: "created-by" in tried(space, "create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=run),
        watch="configmap",
        what="the stamps are in force",
    )


def wait_until_requests_are_verified(space: Namespace) -> None:
    """The policies are in force for sure some time after they were made."""
    wait_for_the_policies(space)
    kinds = ("validatingadmissionpolicy", "validatingadmissionpolicybinding")
    found = enforcement_of(
        *(json.loads(space.kubectl("get", kind, POLICY, "-o", "json", "--show-managed-fields").out) for kind in kinds)
    )
    since = found.since
    assert since is not None
    space.until(lambda: datetime.now(UTC) > since, watch="configmap", what="the policies are in force everywhere")


def tried(space: Namespace, *arguments: str, stdin: str) -> str:
    """What kubectl says, whether it fails or not."""
    try:
        said = space.kubectl(*arguments, stdin=stdin)
    except AssertionError as failed:
        return str(failed)
    return said.out


@pytest.fixture
def request_name(space: Namespace) -> Iterator[str]:
    """A request about mcpservers/github for a run of alice's, made by the manager."""
    asked = copy.deepcopy(dict(REQUEST))
    asked["spec"]["request"]["requestedBy"] = "alice"
    space.kubectl("create", "-f", "-", f"--as={MANAGER}", stdin=json.dumps(asked))
    yield NAME
    space.kubectl("delete", "hr", NAME)


def decide(
    space: Namespace, user: str, decision: Mapping[str, Any] | None, *more: str, fails: bool = False, **patch: Any
) -> str:
    """Patch a decision in as that user; return what kubectl complains of."""
    body = json.dumps(({"spec": {"decision": decision}} if decision is not None else {}) | patch)
    return space.kubectl("patch", "hr", NAME, "--type=merge", "--patch", body, f"--as={user}", *more, fails=fails).err


def stored(space: Namespace) -> dict[str, Any]:
    return space.get("hr", NAME)["spec"]


def test_who_has_the_verb_decides_with_plain_kubectl_and_the_name_is_filled_in(
    space: Namespace, request_name: str
) -> None:
    decide(space, "bob", APPROVE)
    assert stored(space)["decision"] == APPROVE | {"by": "bob"}


REFUSED: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "about what one has no right for": ("carol", APPROVE, "carol may not decide about mcpservers/github"),
    "by an administrator of requests without the verb": (
        "root",
        APPROVE,
        "root may not decide about mcpservers/github",
    ),
    "by somebody without the role of an approver": ("dan", APPROVE, 'cannot get resource "humanrequests"'),
    "by an editor": ("erin", APPROVE, 'cannot patch resource "humanrequests"'),
    "by who created the run": ("alice", APPROVE, "somebody else must decide: alice created the TaskRun"),
    "in another's name": ("bob", APPROVE | {"by": "carol"}, "decision.by must be bob"),
    "as if a channel had carried it": (
        "bob",
        APPROVE | {"through": "contactchannels/ops"},
        "decision.through is set by",
    ),
    "about something else": ("bob", APPROVE | {"digest": "sha256:" + "0" * 64}, "must be the digest of this request"),
    "with a choice that is not offered": ("bob", APPROVE | {"choice": "Maybe"}, "Unsupported value"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_decision_is_refused(space: Namespace, request_name: str, case: tuple[str, Mapping[str, Any], str]) -> None:
    user, decision, message = case
    assert message in decide(space, user, decision, fails=True)
    assert "decision" not in stored(space)


def test_a_program_decides_nothing_whatever_its_rights(space: Namespace, request_name: str) -> None:
    user = f"system:serviceaccount:{space.name}:agent"
    assert "a person decides, not a program" in decide(space, user, APPROVE, fails=True)


def test_the_manager_decides_only_for_a_channel(space: Namespace, request_name: str) -> None:
    own = APPROVE | {"by": MANAGER}
    assert "decision.through is set by the manager alone" in decide(space, MANAGER, own, fails=True)
    assert "decision" not in stored(space)
    carried = APPROVE | {"by": "slack:U1", "through": "contactchannels/ops"}
    decide(space, MANAGER, carried)
    assert stored(space)["decision"] == carried


def test_the_right_is_that_on_the_subject_as_it_was_asked(space: Namespace, request_name: str) -> None:
    moved = {"request": {"subject": {"name": "gitlab"}}, "decision": APPROVE}
    assert "a request is immutable" in decide(space, "carol", None, fails=True, spec=moved)


def test_a_decision_stays(space: Namespace, request_name: str) -> None:
    decide(space, "bob", APPROVE)
    for other in (APPROVE | {"choice": "Reject"}, APPROVE | {"comment": "and quickly"}, None):
        refused = decide(space, "bob", None, fails=True, spec={"decision": other})
        assert "a decision is made once and stays" in refused


def test_a_decision_after_the_end_is_refused(space: Namespace, request_name: str) -> None:
    ended = json.dumps(space.get("hr", NAME) | {"status": {"phase": "Expired"}})
    replace = ("replace", "--subresource=status", "--validate=false", "-f", "-")
    space.kubectl(*replace, f"--as={MANAGER}", stdin=ended)
    assert "the request is over" in decide(space, "bob", APPROVE, fails=True)


def test_what_else_a_request_has_is_the_managers(space: Namespace, request_name: str) -> None:
    for metadata in ({"labels": {"a": "b"}}, {"finalizers": ["example.com/keep"]}):
        assert "labels, owners and finalizers" in decide(space, "bob", None, fails=True, metadata=metadata)
    status = decide(space, "bob", None, "--subresource=status", fails=True, status={"phase": "Decided"})
    assert 'cannot get resource "humanrequests/status"' in status


def test_an_administrator_lets_a_request_go_by_hand_and_an_approver_does_not(space: Namespace) -> None:
    asked = copy.deepcopy(dict(REQUEST))
    asked["metadata"]["finalizers"] = ["kubechain.humanlayer.dev/human-request"]
    space.kubectl("create", "-f", "-", f"--as={MANAGER}", stdin=json.dumps(asked))
    space.kubectl("delete", "hr", NAME, "--wait=false")
    patch = ("patch", "hr", NAME, "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')
    assert "labels, owners and finalizers" in space.kubectl(*patch, "--as=bob", fails=True).err
    space.kubectl(*patch, "--as=admin", "--as-group=system:masters")
    assert "NotFound" in space.kubectl("get", "hr", NAME, fails=True).err


def test_a_server_side_dry_run_decides_nothing(space: Namespace, request_name: str) -> None:
    decide(space, "bob", APPROVE, "--dry-run=server")
    assert "decision" not in stored(space)
    decide(space, "bob", APPROVE)


@pytest.mark.parametrize("user", ["bob", "system:admin"], ids=["an approver", "an administrator"])
def test_requests_are_made_by_the_manager_alone(space: Namespace, user: str) -> None:
    asked = json.dumps(REQUEST)
    groups = ["--as-group=system:masters"] if user == "system:admin" else []
    refused = space.kubectl("create", "-f", "-", f"--as={user}", *groups, stdin=asked, fails=True).err
    assert ("made by the manager alone" if groups else "cannot create") in refused


def test_a_request_is_made_without_a_decision(space: Namespace) -> None:
    asked = copy.deepcopy(dict(REQUEST))
    asked["spec"]["decision"] = APPROVE
    made = space.kubectl("create", "-f", "-", f"--as={MANAGER}", stdin=json.dumps(asked), fails=True)
    assert "without a decision" in made.err


@pytest.mark.parametrize(
    ("user", "subject", "answer"),
    [("bob", "github", "yes"), ("bob", "gitlab", "no"), ("carol", "gitlab", "yes"), ("root", "github", "no")],
    ids=str,
)
def test_kubectl_tells_who_may(space: Namespace, user: str, subject: str, answer: str) -> None:
    what = f"mcpservers.kubechain.humanlayer.dev/{subject}"
    said = space.kubectl("auth", "can-i", "approve", what, f"--as={user}", fails=answer == "no")
    assert said.out.strip() == answer


def a_run(name: str, creator: str | None = None) -> str:
    metadata: dict[str, Any] = {"name": name}
    if creator:
        metadata["annotations"] = {"kubechain.humanlayer.dev/created-by": creator}
    spec = {"agentRef": {"name": "a"}, "userMessage": "Hi."}
    return json.dumps(
        {"apiVersion": "kubechain.humanlayer.dev/v1alpha1", "kind": "TaskRun", "metadata": metadata, "spec": spec}
    )


def test_who_created_a_run_is_recorded_and_stays(space: Namespace) -> None:
    space.kubectl("create", "-f", "-", "--as=alice", stdin=a_run("recorded"))
    key = "kubechain.humanlayer.dev/created-by"
    assert space.get("taskrun", "recorded")["metadata"]["annotations"][key] == "alice"
    for forged in (f"{key}=bob", f"{key}-"):
        refused = space.kubectl("annotate", "taskrun", "recorded", forged, "--overwrite", "--as=alice", fails=True)
        assert "cannot be changed" in refused.err
    refused = space.kubectl("create", "-f", "-", "--as=alice", stdin=a_run("forged", "bob"), fails=True)
    assert "names who creates the object: alice" in refused.err


def test_the_manager_names_the_creator_of_the_task(space: Namespace) -> None:
    space.kubectl("create", "-f", "-", f"--as={MANAGER}", stdin=a_run("for-alice", "alice"))
    space.kubectl("create", "-f", "-", f"--as={MANAGER}", stdin=a_run("for-nobody"))
    assert "annotations" not in space.get("taskrun", "for-nobody")["metadata"]


def test_the_manager_finds_the_policies_in_force_and_may_read_no_others(space: Namespace) -> None:
    found: list[dict[str, Any]] = []
    for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        found.append(json.loads(space.kubectl("get", kind, POLICY, "-o", "json", f"--as={MANAGER}").out))
        assert "cannot list" in space.kubectl("get", kind, f"--as={MANAGER}", fails=True).err
    assert enforcement_of(*found).weakness == ""


def test_an_editor_writes_no_tool_calls(space: Namespace) -> None:
    for verb in ("create", "patch", "update"):
        said = space.kubectl(
            "auth", "can-i", verb, "taskruntoolcalls.kubechain.humanlayer.dev", "--as=erin", fails=True
        )
        assert said.out.strip() == "no"
