"""The objects by which an MCPServer runs in a Pod of its own: pure.

Their names are derived from the server's, and it owns them: a manager that makes them again after a crash finds them,
and Kubernetes deletes them with the server. Each has a digest of what was wanted, by which an object that is out of
date is noticed. What must not go here: requests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kubechain.api.mcpserver import Egress, MCPServer
from kubechain.api.meta import API_VERSION, GROUP
from kubechain.api.names import LABEL_MCP_SERVER, label_value, mcp_pod_name
from kubechain.api.references import ResourceRequirements

JsonObject = dict[str, Any]

DIGEST = f"{GROUP}/digest"
"""Annotation with the digest of what was wanted when the object was written."""

SERVER = f"{GROUP}/mcpserver"
"""Annotation of a Pod with the name of its MCPServer; a label has room for 63 characters only."""

SECRETS = f"{GROUP}/secrets"
"""Annotation of a Pod with a digest of its secret variables, so that a rotated one replaces the Pod."""

TOKEN = "token"  # noqa: S105  the name of a key
"""The key of the Secret that holds the token of the bridge."""

PORT = 8080
USER_ID = 65532
"""As for containers of Tools: the `nonroot` user of common images."""

BRIDGE = "/opt/kubechain/bin/kubechain-mcp-bridge"
"""Where the manager's image has the bridge."""

_SCRATCH = "/tmp"  # noqa: S108  a volume of the Pod's own
_SCRATCH_LIMIT = "1Gi"
_BRIDGE_RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
_STORAGE, _BRIDGE_STORAGE = "ephemeral-storage", "32Mi"
_LOCKED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a manager needs to run servers in Pods of their own.

    Attributes:
        image: Has the bridge, and runs servers that name no image.
        namespace: Of the manager's Pods; only they may reach a server.
        url: Of a server's bridge, with its `service` and `namespace`.
    """

    image: str
    namespace: str
    url: str

    def url_of(self, server: MCPServer) -> str:
        """Return the URL of a server's bridge."""
        return self.url.format(service=mcp_pod_name(server.metadata.name), namespace=server.metadata.namespace)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object as it is wanted.

    Attributes:
        collection: URL path of the kind, in the server's namespace.
    """

    kind: str
    collection: str
    name: str
    digest: str
    body: JsonObject


def manifests(server: MCPServer, hosting: Hosting, secrets: str, replicas: int) -> tuple[Manifest, ...]:
    """Return the objects of a server in the order in which they are made: the policy is there before the Pod.

    Args:
        server: To run.
        hosting: Of the manager.
        secrets: Digest of its secret variables; see `digest_of`.
        replicas: 1, or 0 for a server that sleeps. Not part of the digest: it is changed alone.
    """
    return (
        _manifest(server, "ServiceAccount", "v1", {"automountServiceAccountToken": False}),
        _manifest(server, "NetworkPolicy", "networking.k8s.io/v1", {"spec": _network_policy(server, hosting)}),
        _manifest(server, "Service", "v1", {"spec": _service(server)}),
        _with_replicas(
            _manifest(server, "Deployment", "apps/v1", {"spec": _deployment(server, hosting, secrets)}), replicas
        ),
    )


def token_secret(server: MCPServer, token: str) -> Manifest:
    """Return the Secret with the token of a server's bridge; it is never changed."""
    return _manifest(server, "Secret", "v1", {"type": "Opaque", "immutable": True, "stringData": {TOKEN: token}})


def digest_of(token: str, values: Mapping[str, SecretStr]) -> str:
    """Return a digest of variables that says nothing about them to whoever does not know the token."""
    known = sorted((name, value.get_secret_value()) for name, value in values.items())
    return hmac.new(token.encode(), json.dumps(known).encode(), hashlib.sha256).hexdigest()[:32]


def collection(api_version: str, plural: str, namespace: str) -> str:
    """Return the URL path of a kind in a namespace."""
    root = "/api" if api_version == "v1" else "/apis"
    return f"{root}/{api_version}/namespaces/{namespace}/{plural}"


def _manifest(server: MCPServer, kind: str, api_version: str, rest: JsonObject) -> Manifest:
    name, namespace = mcp_pod_name(server.metadata.name), server.metadata.namespace
    plural = "networkpolicies" if kind == "NetworkPolicy" else f"{kind.lower()}s"
    metadata: JsonObject = {
        "name": name,
        "namespace": namespace,
        "labels": _labels(server),
        "ownerReferences": [_owner(server)],
    }
    body: JsonObject = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
    body = {**body, "metadata": {**metadata, "annotations": {DIGEST: digest}}}
    return Manifest(kind, collection(api_version, plural, namespace), name, digest, body)


def _with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    body = {**manifest.body, "spec": {**manifest.body["spec"], "replicas": replicas}}
    return Manifest(manifest.kind, manifest.collection, manifest.name, manifest.digest, body)


def _owner(server: MCPServer) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "MCPServer",
        "name": server.metadata.name,
        "uid": server.metadata.uid,
        "controller": True,
    }


def _labels(server: MCPServer) -> JsonObject:
    return {
        "app.kubernetes.io/managed-by": "kubechain",
        "app.kubernetes.io/component": "mcp-server",
        LABEL_MCP_SERVER: label_value(server.metadata.name),
    }


def _selector(server: MCPServer) -> JsonObject:
    return {LABEL_MCP_SERVER: label_value(server.metadata.name)}


def _service(server: MCPServer) -> JsonObject:
    return {
        "selector": _selector(server),
        "ports": [{"name": "mcp", "port": PORT, "targetPort": "mcp", "protocol": "TCP"}],
    }


def _network_policy(server: MCPServer, hosting: Hosting) -> JsonObject:
    """In from the manager, out to the cluster's DNS and to what the spec lists."""
    manager = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": hosting.namespace}},
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "kubechain", "app.kubernetes.io/component": "manager"}
        },
    }
    dns = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }
    return {
        "podSelector": {"matchLabels": _selector(server)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [manager], "ports": [{"port": PORT, "protocol": "TCP"}]}],
        "egress": [dns, *map(_allowed, server.spec.egress)],
    }


def _allowed(egress: Egress) -> JsonObject:
    ports = [{"port": port, "protocol": egress.protocol or "TCP"} for port in egress.ports]
    return {"to": [{"ipBlock": {"cidr": egress.cidr}}], **({"ports": ports} if ports else {})}


def _deployment(server: MCPServer, hosting: Hosting, secrets: str) -> JsonObject:
    annotations = {SERVER: server.metadata.name, SECRETS: secrets}
    return {
        # Never two at a time: a server may keep its state in a volume or at a service outside.
        "strategy": {"type": "Recreate"},
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": _selector(server)},
        "template": {
            "metadata": {"labels": _labels(server), "annotations": annotations},
            "spec": _pod(server, hosting),
        },
    }


def _pod(server: MCPServer, hosting: Hosting) -> JsonObject:
    name, runtime_class = mcp_pod_name(server.metadata.name), server.spec.runtime_class_name
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        **({"runtimeClassName": runtime_class} if runtime_class else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            {
                "name": "bridge",
                "image": hosting.image,
                "command": [BRIDGE, "copy", "/bridge"],
                "resources": _bridge_resources(server.spec.resources),
                "securityContext": _LOCKED,
                "volumeMounts": [{"name": "bridge", "mountPath": "/bridge"}],
            }
        ],
        "containers": [_container(server, hosting)],
        "volumes": [
            {"name": "bridge", "emptyDir": {"sizeLimit": _BRIDGE_STORAGE}},
            {"name": "token", "secret": {"secretName": name, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": _SCRATCH_LIMIT}},
        ],
    }


def _bridge_resources(of_the_server: ResourceRequirements | None) -> JsonObject:
    """Requests and limits, since a ResourceQuota may ask them of every container.

    Those of storage only where the server has them too: alone they would hold for the whole Pod.
    """
    given = of_the_server.model_dump(exclude_none=True) if of_the_server else {}
    return {
        part: {**own, **({_STORAGE: _BRIDGE_STORAGE} if _STORAGE in given.get(part, {}) else {})}
        for part, own in _BRIDGE_RESOURCES.items()
    }


def _container(server: MCPServer, hosting: Hosting) -> JsonObject:
    spec = server.spec
    resources = spec.resources.model_dump(by_alias=True, exclude_none=True) if spec.resources else None
    healthy = {"httpGet": {"path": "/healthz", "port": "mcp"}}
    return {
        "name": "server",
        "image": spec.image or hosting.image,
        "command": ["/bridge/kubechain-mcp-bridge", "serve", f"--address=:{PORT}", "--token-file=/token/token", "--"],
        "args": [_literal(word) for word in (spec.command or "", *spec.args)],
        "env": _environment(server),
        "ports": [{"name": "mcp", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {**healthy, "periodSeconds": 2},
        "livenessProbe": {**healthy, "periodSeconds": 20},
        **({"resources": resources} if resources else {}),
        "securityContext": _LOCKED,
        "volumeMounts": [
            {"name": "bridge", "mountPath": "/bridge", "readOnly": True},
            {"name": "token", "mountPath": "/token", "readOnly": True},
            {"name": "tmp", "mountPath": _SCRATCH},
        ],
    }


def _environment(server: MCPServer) -> list[JsonObject]:
    """The root file system is read-only, so what npx and uvx download goes to /tmp."""
    given = {variable.name for variable in server.spec.env}
    scratch = {"HOME": _SCRATCH, "UV_CACHE_DIR": f"{_SCRATCH}/uv-cache", "npm_config_cache": f"{_SCRATCH}/npm-cache"}
    own = [{"name": name, "value": value} for name, value in scratch.items() if name not in given]
    return [*own, *(_variable(variable.model_dump(by_alias=True, exclude_none=True)) for variable in server.spec.env)]


def _variable(variable: JsonObject) -> JsonObject:
    return {**variable, "value": _literal(variable["value"])} if "value" in variable else variable


def _literal(text: str) -> str:
    """Kubernetes would expand `$(NAME)`; a child process of the manager gets the text as it is."""
    return text.replace("$", "$$")
