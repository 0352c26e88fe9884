"""What the API server has of the objects of MCPServers in Pods: the caches, limited by label, and their meaning.

Called from `observe` and `setup`. What must not go here: requests, and what the objects should be (`manifests`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from kubechain.api.mcpserver import MCPServer
from kubechain.api.names import LABEL_MCP_SERVER, mcp_pod_name
from kubechain.controllers.mcpserver.manifests import DIGEST, SERVER, Manifest
from kubechain.net.foreign import one_line
from kubechain.runtime.keys import Request
from kubechain.runtime.metadata import Metadata, PartialObject
from kubechain.runtime.resource import Resource, metadata_only
from kubechain.runtime.store import Lister

WORDS_CHARACTERS = 300
SILENT = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons of kubelet that do not say what is waited for."""


class Condition(msgspec.Struct, frozen=True):
    """A condition of a Deployment or a Pod."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class _DeploymentSpec(msgspec.Struct, frozen=True):
    replicas: int = 1


class _DeploymentStatus(msgspec.Struct, frozen=True, rename="camel"):
    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(msgspec.Struct, frozen=True, rename="camel"):
    """A Deployment, as far as it says whether its Pod works."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""
    spec: _DeploymentSpec = msgspec.field(default_factory=_DeploymentSpec)
    status: _DeploymentStatus = msgspec.field(default_factory=_DeploymentStatus)

    @property
    def is_ready(self) -> bool:
        """Whether its Pod is reachable."""
        return self.spec.replicas > 0 and self.status.ready_replicas > 0

    @property
    def trouble(self) -> str:
        """Why no Pod is made, in the words of Kubernetes; empty if one is."""
        found = [one for one in self.status.conditions if one.type == "ReplicaFailure" and one.status == "True"]
        return _words(found[0].reason, found[0].message) if found else ""


class _Reason(msgspec.Struct, frozen=True, rename="camel"):
    reason: str = ""
    message: str = ""
    exit_code: int | None = None


class _ContainerState(msgspec.Struct, frozen=True):
    waiting: _Reason | None = None
    terminated: _Reason | None = None


class _ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    state: _ContainerState = msgspec.field(default_factory=_ContainerState)
    last_state: _ContainerState = msgspec.field(default_factory=_ContainerState)


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[_ContainerStatus, ...] = ()
    container_statuses: tuple[_ContainerStatus, ...] = ()


class Pod(msgspec.Struct, frozen=True, rename="camel"):
    """A Pod, as far as it says why it does not work."""

    metadata: Metadata
    api_version: str = ""
    kind: str = ""
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)

    @property
    def trouble(self) -> str:
        """What its start waits for, in the words of Kubernetes; empty if nothing is said."""
        unscheduled = [one for one in self.status.conditions if one.type == "PodScheduled" and one.status == "False"]
        for one in unscheduled:
            return _words(one.reason, one.message)
        for status in (*self.status.init_container_statuses, *self.status.container_statuses):
            waiting = status.state.waiting
            if waiting is not None and waiting.reason not in SILENT:
                return _words(waiting.reason, waiting.message)
        return ""


_DEPLOYMENT, _POD = msgspec.json.Decoder(Deployment), msgspec.json.Decoder(Pod)

DEPLOYMENTS = Resource(
    "apps",
    "v1",
    "Deployment",
    "deployments",
    decode=_DEPLOYMENT.decode,
    is_frozen=True,
    label_selector=LABEL_MCP_SERVER,
)
PODS = Resource("", "v1", "Pod", "pods", decode=_POD.decode, is_frozen=True, label_selector=LABEL_MCP_SERVER)


def _identified(group: str, kind: str, plural: str) -> Resource[PartialObject]:
    whole: Resource[Any] = Resource(
        group, "v1", kind, plural, decode=_DEPLOYMENT.decode, label_selector=LABEL_MCP_SERVER
    )
    return metadata_only(whole)


SERVICES = _identified("", "Service", "services")
SERVICE_ACCOUNTS = _identified("", "ServiceAccount", "serviceaccounts")
NETWORK_POLICIES = _identified("networking.k8s.io", "NetworkPolicy", "networkpolicies")

OWNED: tuple[Resource[Any], ...] = (SERVICE_ACCOUNTS, NETWORK_POLICIES, SERVICES, DEPLOYMENTS)
"""What a server in a Pod owns besides its Secret, which is never changed."""


class Listers(Protocol):
    """Where the caches are; the manager satisfies it."""

    def lister(self, resource: Resource[Any]) -> Lister[Any]:
        """Return the reader of a kind's cache."""
        ...


@dataclass(frozen=True, slots=True)
class Owned:
    """The objects of servers in Pods, as the caches have them."""

    by_kind: Mapping[str, Lister[Any]]
    pods: Lister[Pod]

    @classmethod
    def of(cls, listers: Listers) -> Owned:
        """Make the caches, before the manager starts."""
        return cls({each.kind: listers.lister(each) for each in OWNED}, listers.lister(PODS))

    def deployment(self, server: MCPServer) -> Deployment | None:
        """The Deployment of a server; None when it has none."""
        return self._get("Deployment", server)

    def outdated(self, server: MCPServer, wanted: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
        """Those of the wanted objects that are missing, or differ from what is wanted."""
        return tuple(one for one in wanted if self._digest(one.kind, server) != one.digest)

    def left_over(self, server: MCPServer) -> tuple[str, ...]:
        """The kinds of which the server owns an object."""
        return tuple(kind for kind in self.by_kind if self._get(kind, server) is not None)

    def trouble(self, server: MCPServer) -> str:
        """Why the Pod of a server is not ready, in the words of Kubernetes; empty where nothing says it."""
        deployment = self.deployment(server)
        pods = [
            pod
            for pod in self.pods.list(server.metadata.namespace)
            if request_of_pod(pod)[0].name == server.metadata.name
        ]
        return (deployment.trouble if deployment else "") or next((pod.trouble for pod in pods if pod.trouble), "")

    def _get(self, kind: str, server: MCPServer) -> Any:
        found: Any = self.by_kind[kind].get(server.metadata.namespace, mcp_pod_name(server.metadata.name))
        return found if found is not None and is_owned(found.metadata, server.metadata.uid) else None

    def _digest(self, kind: str, server: MCPServer) -> str | None:
        found: PartialObject | Deployment | None = self._get(kind, server)
        return (found.metadata.annotations or {}).get(DIGEST) if found is not None else None


def is_owned(metadata: Metadata, uid: str) -> bool:
    """Whether the MCPServer with this uid owns an object."""
    return any(owner.uid == uid for owner in metadata.owner_references or ())


def request_of_pod(pod: Pod) -> list[Request]:
    """The MCPServer of a Pod."""
    return [Request(pod.metadata.namespace, (pod.metadata.annotations or {}).get(SERVER, ""))]


def _words(reason: str, message: str) -> str:
    return one_line(": ".join(filter(None, (reason, message))), WORDS_CHARACTERS)
