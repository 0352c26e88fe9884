"""Whether the admission policies are in force, and what that makes of a decision."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from structlog.testing import capture_logs

from kubechain.api.approval import DecisionChoice, DecisionIdentity
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.controllers.authority import DecisionAuthority, Enforcement, enforcement_of, identity_of
from kubechain.runtime.client import Client
from kubechain.runtime.errors import ApiError, Forbidden, NotFound

FILE = Path(__file__).resolve().parents[2] / "config" / "admission" / "human_requests.yaml"
SAMPLE = yaml.safe_load((FILE.parents[1] / "samples" / "humanrequest.yaml").read_text())
POLICY, BINDING = yaml.safe_load_all(FILE.read_text())


def test_what_is_shipped_is_in_force() -> None:
    assert enforcement_of(POLICY, BINDING).weakness == ""


WEAKER: dict[str, tuple[str, dict[str, Any], str]] = {
    "a failure lets through": ("policy", {"failurePolicy": "Ignore"}, "failurePolicy is not Fail"),
    "a condition skips it": ("policy", {"matchConditions": [{"name": "a", "expression": "false"}]}, "matchConditions"),
    "it validates nothing": ("policy", {"validations": []}, "no validations"),
    "it is about nothing": ("policy", {"matchConstraints": {}}, "not about each create and update"),
    "it is of another policy": ("binding", {"policyName": "other"}, "another policy"),
    "it only warns": ("binding", {"validationActions": ["Warn", "Audit"]}, "does not deny"),
    "it is for one namespace": ("binding", {"matchResources": {"namespaceSelector": {}}}, "some objects only"),
    "it names no account": (
        "binding",
        {"paramRef": {"selector": {}, "parameterNotFoundAction": "Deny"}},
        "does not name the manager's ServiceAccount",
    ),
    "it allows without its account": (
        "binding",
        {"paramRef": {"parameterNotFoundAction": "Allow"}},
        "allows everything",
    ),
}


@pytest.mark.parametrize("case", WEAKER.values(), ids=WEAKER.keys())
def test_a_weaker_policy_is_named(case: tuple[str, dict[str, Any], str]) -> None:
    which, change, weakness = case
    policy, binding = copy.deepcopy(POLICY), copy.deepcopy(BINDING)
    (policy if which == "policy" else binding)["spec"].update(change)
    found = enforcement_of(policy, binding)
    assert weakness in found.weakness
    assert not found.is_in_force


@pytest.mark.parametrize(
    "narrowed",
    [
        pytest.param({"operations": ["CREATE"]}, id="updates pass"),
        pytest.param({"resources": ["humanrequests/status"]}, id="requests pass"),
        pytest.param({"resourceNames": ["a"]}, id="other names pass"),
        pytest.param({"apiVersions": ["v1"]}, id="other versions pass"),
    ],
)
def test_a_narrower_rule_is_none(narrowed: dict[str, Any]) -> None:
    policy = copy.deepcopy(POLICY)
    policy["spec"]["matchConstraints"]["resourceRules"][0].update(narrowed)
    assert "not about each create and update" in enforcement_of(policy, BINDING).weakness


@pytest.mark.parametrize(
    ("expression", "weakness"),
    [
        pytest.param("decision.by ==", "it does not compare decision.by with the user", id="any name passes"),
        pytest.param("check('approve')", "it does not ask RBAC for the verb approve", id="anybody may decide"),
        pytest.param("serviceaccount:'", "it does not refuse decisions of ServiceAccounts", id="programs decide"),
    ],
)
def test_a_policy_without_an_essential_rule_is_named(expression: str, weakness: str) -> None:
    policy = copy.deepcopy(POLICY)
    rules = policy["spec"]["validations"]
    policy["spec"]["validations"] = [each for each in rules if expression not in each["expression"]]
    assert enforcement_of(policy, BINDING).weakness == f"admission policy kubechain-human-requests: {weakness}"


INSTALLED = "2026-01-02T03:04:05Z"


def made_at(*, changed_at: str | None = None, status_at: str | None = None) -> tuple[Any, Any]:
    """The policy and its binding, made at INSTALLED; the binding was changed, or the policy's status was."""
    policy, binding = copy.deepcopy(POLICY), copy.deepcopy(BINDING)
    for each in (policy, binding):
        each["metadata"] |= {"creationTimestamp": INSTALLED, "managedFields": [{"manager": "a", "time": INSTALLED}]}
    if changed_at is not None:
        binding["metadata"]["managedFields"].append({"manager": "b", "time": changed_at})
    if status_at is not None:
        policy["metadata"]["managedFields"].append({"manager": "c", "time": status_at, "subresource": "status"})
    return policy, binding


@pytest.mark.parametrize(
    ("created_at", "changes", "is_verified"),
    [
        pytest.param("2026-01-02T03:04:15Z", {}, True, id="made once every API server has the policies"),
        pytest.param("2026-01-02T03:04:14Z", {}, False, id="made while an API server may not have them yet"),
        pytest.param("2026-01-02T03:04:04Z", {}, False, id="made before the policies"),
        pytest.param(
            "2026-01-02T04:00:05Z", {"changed_at": "2026-01-02T04:00:00Z"}, False, id="made before they were changed"
        ),
        pytest.param(
            "2026-01-02T04:00:05Z", {"status_at": "2026-01-02T04:00:00Z"}, True, id="a status of theirs changes nothing"
        ),
    ],
)
def test_only_a_request_that_the_policies_precede_is_verified(
    created_at: str, changes: dict[str, str], is_verified: bool
) -> None:
    request = HumanRequest.from_wire(SAMPLE | {"metadata": {"name": "a", "creationTimestamp": created_at}})
    found = enforcement_of(*made_at(**changes)).over(request)
    assert found.is_in_force == is_verified
    assert is_verified or "the request is older than the admission policies" in found.weakness
    decision = Decision(choice=DecisionChoice.APPROVE, digest="sha256:0", by="bob")
    expected = DecisionIdentity.VERIFIED if is_verified else DecisionIdentity.CLAIMED
    assert identity_of(decision, found) is expected


@pytest.mark.parametrize(
    ("by", "through", "weakness", "identity"),
    [
        pytest.param("bob", None, "", DecisionIdentity.VERIFIED, id="the API server compared the name"),
        pytest.param("slack:U1", "contactchannels/ops", "", DecisionIdentity.DELEGATED, id="a channel vouches"),
        pytest.param("bob", None, "not installed", DecisionIdentity.CLAIMED, id="nobody compares"),
        pytest.param("bob", "contactchannels/ops", "not installed", DecisionIdentity.CLAIMED, id="a forged channel"),
        pytest.param(None, None, "", DecisionIdentity.CLAIMED, id="nobody is named"),
    ],
)
def test_how_sure_a_name_is(by: str | None, through: str | None, weakness: str, identity: DecisionIdentity) -> None:
    decision = Decision(choice=DecisionChoice.APPROVE, digest="sha256:0", by=by, through=through)
    assert identity_of(decision, Enforcement(weakness)) is identity


class Refusing:
    """An API server that answers every read with an error."""

    def __init__(self, error: ApiError) -> None:
        self.error = error

    async def request(self, method: str, path: str) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "weakness", "repair"),
    [
        pytest.param(NotFound(404), "is not installed", "config/admission", id="there are no policies"),
        pytest.param(Forbidden(403), "the manager has no right to", "config/policy-reader", id="it has a Role only"),
        pytest.param(ApiError(500, message="no"), "cannot be read: ", "config/admission", id="the server fails"),
    ],
)
async def test_policies_that_cannot_be_read_are_in_force_for_nobody_and_the_log_says_what_to_do(
    error: ApiError, weakness: str, repair: str
) -> None:
    authority = DecisionAuthority(cast("Client", Refusing(error)))
    assert weakness in (await authority.enforcement()).weakness
    with capture_logs() as logged:
        await authority.run()
    assert [line["repair"].endswith(repair) for line in logged] == [True]


def test_who_may_read_the_policies_may_read_them_alone_whatever_the_overlay() -> None:
    reader, binding = yaml.safe_load_all((FILE.parents[1] / "policy-reader" / "cluster_role.yaml").read_text())
    role = next(yaml.safe_load_all((FILE.parents[1] / "rbac" / "role.yaml").read_text()))
    assert reader["rules"] == [one for one in role["rules"] if "admissionregistration.k8s.io" in one["apiGroups"]]
    assert binding["roleRef"]["name"] == reader["metadata"]["name"]
