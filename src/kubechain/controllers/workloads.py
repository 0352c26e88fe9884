"""Deployments and Pods, as far as they say why they do not work. No effects.

The words are those of Kubernetes, unchanged: people search for them.
"""

from __future__ import annotations

import msgspec

from kubechain.net.foreign import one_line
from kubechain.runtime.metadata import Metadata
from kubechain.tools.podstate import SILENT

WORDS_CHARACTERS = 300


class Condition(msgspec.Struct, frozen=True):
    """A condition of a Deployment or a Pod."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class _FieldReference(msgspec.Struct, frozen=True, rename="camel"):
    field_path: str = ""


class _ValueSource(msgspec.Struct, frozen=True, rename="camel"):
    field_ref: _FieldReference = msgspec.field(default_factory=_FieldReference)


class Variable(msgspec.Struct, frozen=True, rename="camel"):
    """An environment variable."""

    name: str
    value: str = ""
    value_from: _ValueSource = msgspec.field(default_factory=_ValueSource)

    @property
    def is_namespace(self) -> bool:
        """Whether its value is the namespace of the Pod."""
        return self.value_from.field_ref.field_path == "metadata.namespace"


class Container(msgspec.Struct, frozen=True):
    """A container, as far as it says what is started."""

    image: str = ""
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()


class _PodSpec(msgspec.Struct, frozen=True):
    containers: tuple[Container, ...] = ()


class _Template(msgspec.Struct, frozen=True):
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)


class _DeploymentSpec(msgspec.Struct, frozen=True):
    replicas: int = 1
    template: _Template = msgspec.field(default_factory=_Template)


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
    def container(self) -> Container:
        """The first one."""
        return next(iter(self.spec.template.spec.containers), Container())

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
                return _words(waiting.reason, waiting.message) + _how_it_ended(status.last_state.terminated)
        return ""


def _how_it_ended(before: _Reason | None) -> str:
    if before is None:
        return ""
    return one_line(f"; before: {before.reason or 'Error'}, exit code {before.exit_code}", WORDS_CHARACTERS)


def _words(reason: str, message: str) -> str:
    return one_line(": ".join(filter(None, (reason, message))), WORDS_CHARACTERS)
