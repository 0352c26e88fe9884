"""Whether the admission policies are in force, and what that makes of a decision."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.api.approval import DecisionChoice, DecisionIdentity
from kubechain.api.humanrequest import Decision
from kubechain.controllers.authority import Enforcement, enforcement_of, identity_of

FILE = Path(__file__).resolve().parents[2] / "config" / "admission" / "human_requests.yaml"
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
