"""Which resources a client finds."""

from __future__ import annotations

import pytest

from kubechain_apiserver.openapi import versions
from kubechain_apiserver.openapi.discovery import Discovery
from packages.apiserver.test.resources import a_registry, a_resource


def test_core_and_groups_are_listed_apart() -> None:
    discovery = Discovery(a_registry())
    assert discovery.core_versions()["versions"] == ["v1"]
    groups = discovery.group_list()["groups"]
    assert [g["name"] for g in groups] == ["g.io", "authentication.k8s.io", "authorization.k8s.io"]
    assert groups[0]["preferredVersion"] == {"groupVersion": "g.io/v1", "version": "v1"}


def test_a_resource_is_listed_with_its_subresources() -> None:
    listed = Discovery(a_registry()).resource_list("g.io", "v1")
    assert listed is not None
    assert listed["groupVersion"] == "g.io/v1"
    task, status = listed["resources"]
    assert task["shortNames"] == ["tk"]
    assert task["categories"] == ["kubechain"]
    assert "deletecollection" in task["verbs"]
    assert (status["name"], status["verbs"]) == ("tasks/status", ["get", "patch", "update"])


def test_the_aggregated_form_says_the_same() -> None:
    document = Discovery(a_registry()).aggregated("v2", core=False)
    assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
    task = document["items"][0]["versions"][0]["resources"][0]
    assert task["responseKind"] == {"group": "g.io", "version": "v1", "kind": "Task"}
    assert task["scope"] == "Namespaced"
    assert [s["subresource"] for s in task["subresources"]] == ["status"]


def test_what_is_not_served_has_no_document() -> None:
    discovery = Discovery(a_registry())
    assert discovery.group("nope.io") is None
    assert discovery.resource_list("g.io", "v2") is None


def test_service_accounts_have_tokens() -> None:
    accounts = a_resource(group="", plural="serviceaccounts", kind="ServiceAccount", subresources=(), has_status=False)
    listed = Discovery(a_registry(accounts)).resource_list("", "v1")
    assert listed is not None
    (token,) = [r for r in listed["resources"] if r["name"] == "serviceaccounts/token"]
    assert (token["kind"], token["group"], token["verbs"]) == ("TokenRequest", "authentication.k8s.io", ["create"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["v1beta1", "v1", "v1alpha1", "v2"], ["v2", "v1", "v1beta1", "v1alpha1"]),
        (["v10", "v9", "v1beta2", "v1beta10"], ["v10", "v9", "v1beta10", "v1beta2"]),
        (["zeta", "alpha", "v1alpha1"], ["v1alpha1", "alpha", "zeta"]),
    ],
)
def test_versions_are_in_order_of_preference(given: list[str], expected: list[str]) -> None:
    assert versions.by_priority(given) == expected
