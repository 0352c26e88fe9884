"""The objects of an MCPServer in a Pod of its own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.api.mcpserver import Egress
from kubechain.api.names import mcp_pod_name
from kubechain.api.references import NamedValue, ResourceRequirements, SecretKeyRef, SecretKeySource
from kubechain.controllers.mcpserver.manifests import Hosting, digest_of, manifests, token_secret
from test.controllers.mcpserver.builders import a_server

HOSTING = Hosting("registry.example/kubechain:1", "kubechain-system", "http://{service}.{namespace}.svc:8080/mcp")


def made(secrets: str = "digest", replicas: int = 1, **spec: Any) -> dict[str, Any]:
    server = a_server(isolation="Pod", **spec)
    return {one.kind: one.body for one in manifests(server, HOSTING, secrets, replicas)}


def pod(**spec: Any) -> dict[str, Any]:
    return made(**spec)["Deployment"]["spec"]["template"]["spec"]


def container(**spec: Any) -> dict[str, Any]:
    [only] = pod(**spec)["containers"]
    return only


def test_the_policy_is_made_before_the_pod_that_it_is_for() -> None:
    assert list(made()) == ["ServiceAccount", "NetworkPolicy", "Service", "Deployment"]


def test_the_server_owns_all_of_them_under_one_name() -> None:
    server = a_server(isolation="Pod")
    for one in (*manifests(server, HOSTING, "digest", 1), token_secret(server, "token")):
        metadata = one.body["metadata"]
        assert (one.name, metadata["name"], metadata["namespace"]) == ("mcp-eyes", "mcp-eyes", "default")
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == [server.metadata.uid]


def test_the_pod_has_no_token_of_the_api_server() -> None:
    assert made()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["serviceAccountName"] == "mcp-eyes"


def test_what_copies_the_bridge_limits_the_storage_of_the_pod_only_together_with_the_server() -> None:
    [bridge] = pod()["initContainers"]
    assert bridge["resources"] == {
        "requests": {"cpu": "10m", "memory": "16Mi"},
        "limits": {"cpu": "1", "memory": "64Mi"},
    }
    [bridge] = pod(resources=ResourceRequirements(limits={"ephemeral-storage": "2Gi"}))["initContainers"]
    assert "ephemeral-storage" not in bridge["resources"]["requests"]
    assert bridge["resources"]["limits"]["ephemeral-storage"] == "32Mi"


def test_the_pod_is_restricted() -> None:
    given = pod()
    assert given["securityContext"]["runAsNonRoot"]
    assert given["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in (*given["initContainers"], *given["containers"]):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_nothing_goes_out_but_to_the_dns_and_to_what_is_listed() -> None:
    rules = made(egress=(Egress(cidr="192.0.2.0/24", ports=(443,)), Egress(cidr="10.0.0.7/32")))["NetworkPolicy"][
        "spec"
    ]
    assert rules["policyTypes"] == ["Ingress", "Egress"]
    dns, *listed = rules["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    assert dns["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]
    assert listed == [
        {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]},
        {"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}]},
    ]


def test_only_the_manager_comes_in() -> None:
    [rule] = made()["NetworkPolicy"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    [source] = rule["from"]
    assert source["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "kubechain-system"}}
    assert source["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "manager"


def test_the_bridge_is_copied_from_our_image_into_that_of_the_server() -> None:
    given = pod(image="node:22", command="node", args=("server.js", "--price=$5", "$(HOME)"))
    assert [one["image"] for one in (*given["initContainers"], *given["containers"])] == [HOSTING.image, "node:22"]
    [server] = given["containers"]
    assert server["command"][0] == "/bridge/kubechain-mcp-bridge"
    assert server["command"][-1] == "--"
    assert server["args"] == ["node", "server.js", "--price=$$5", "$$(HOME)"], "Kubernetes would expand it"


def test_a_server_without_an_image_runs_in_ours() -> None:
    assert container()["image"] == HOSTING.image


def test_variables_come_from_their_secrets_without_passing_through_the_manager() -> None:
    key = NamedValue(name="KEY", value_from=SecretKeySource(secret_key_ref=SecretKeyRef(name="keys", key="one")))
    given = container(env=(key, NamedValue(name="HOME", value="/data"), NamedValue(name="PRICE", value="$5")))["env"]
    assert {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}} in given
    assert [one["value"] for one in given if one["name"] == "HOME"] == ["/data"], "the spec's own goes first"
    assert {"name": "PRICE", "value": "$$5"} in given


def test_resources_and_the_runtime_class_are_honoured() -> None:
    limits: dict[str, str | int] = {"cpu": "500m", "memory": "256Mi"}
    given = pod(resources=ResourceRequirements(limits=limits), runtime_class_name="gvisor")
    assert given["runtimeClassName"] == "gvisor"
    assert given["containers"][0]["resources"] == {"limits": limits}


def test_a_rotated_secret_replaces_the_pod_and_whether_it_sleeps_does_not() -> None:
    server = a_server(isolation="Pod")
    digests = [
        next(one.digest for one in manifests(server, HOSTING, secrets, replicas) if one.kind == "Deployment")
        for secrets, replicas in (("a", 1), ("a", 0), ("b", 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_of_variables_says_nothing_to_who_does_not_know_the_token() -> None:
    values = {"PIN": SecretStr("1234")}
    assert digest_of("one", values) == digest_of("one", dict(values))
    assert digest_of("one", values) != digest_of("another", values)
    assert digest_of("one", values) != digest_of("one", {"PIN": SecretStr("1235")})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("fetch", "mcp-fetch", id="a short name"),
        pytest.param("a.b", "mcp-a-b-", id="dots, which Services have not"),
        pytest.param("a" * 253, "mcp-aaaa", id="a long name"),
        pytest.param("7", "mcp-7", id="a digit, with which Services do not begin"),
    ],
)
def test_the_name_is_one_that_a_service_can_have(name: str, wanted: str) -> None:
    found = mcp_pod_name(name)
    assert found.startswith(wanted)
    assert len(found) <= 63
    assert "." not in found


def test_names_that_differ_stay_different() -> None:
    names = ["a.b", "a-b", "a" * 100, "a" * 101]
    assert len({mcp_pod_name(name) for name in names}) == len(names)
