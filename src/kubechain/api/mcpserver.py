"""MCPServer: a Model Context Protocol server whose tools agents may call."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api import globs
from kubechain.api.approval import MCPApprovalTerms, terms_need_approval
from kubechain.api.globs import Glob
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference, NamedValue, ResourceRequirements
from kubechain.api.schema import Json, Rule, Schema, Url
from kubechain.api.tool import ON_UNKNOWN_OUTCOME_DOC, OnUnknownOutcome, ToolSemantics

MCPTransport = Literal["stdio", "sse", "http"]


class Isolation(StrEnum):
    """Where the program of a stdio server runs."""

    PROCESS = "Process"
    """In the manager's container, as a child process."""
    POD = "Pod"
    """In a Pod of its own, behind a bridge from stdio to HTTP."""


_ToolName = Annotated[str, Schema(min_length=1, max_length=256)]
_IS_STDIO = "((has(self.type) && self.type == 'stdio') || (has(self.transport) && self.transport == 'stdio'))"

_IS_IN_POD = "(has(self.isolation) && self.isolation == 'Pod')"

_IS_APPROVED = "has(self.approvalContactChannel) || (has(self.requiresApproval) && self.requiresApproval)"


class PodState(StrEnum):
    """How the Pod of a server stands."""

    STARTING = "Starting"
    RUNNING = "Running"
    ASLEEP = "Asleep"


class Egress(KubeModel):
    """Addresses that a server in a Pod of its own may reach."""

    cidr: Annotated[str, Schema(min_length=1, max_length=64, pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")] = Field(
        description="The addresses, such as 10.0.0.0/8 or 192.0.2.7/32."
    )
    ports: Annotated[tuple[Annotated[int, Schema(minimum=1, maximum=65535)], ...], Schema(max_items=32)] = Field(
        default=(), description="Only these ports. Empty: all of them."
    )
    protocol: Literal["TCP", "UDP"] | None = Field(default=None, description="Of the ports. Default: TCP.")


class MCPToolFilter(KubeModel):
    """Which of the server's tools are offered, and which of them are safe to repeat."""

    include: Annotated[tuple[_ToolName, ...], Schema(max_items=256)] = Field(
        default=(), description="Only these tools. Empty: all of them."
    )
    exclude: Annotated[tuple[_ToolName, ...], Schema(max_items=256)] = Field(default=(), description="Not these tools.")
    idempotent: Annotated[tuple[Glob, ...], Schema(max_items=256)] = Field(
        default=(),
        description="Names of the tools that are safe to repeat, as the server has them; * stands for any text and ? "
        "for one character. A call of one that was interrupted is made again, with the same idempotency key. "
        "Default: none.",
    )


class MCPServerSpec(KubeModel):
    """How to reach the server."""

    crd_rules = (
        Rule(
            "has(self.type) != has(self.transport)",
            "set exactly one of type and transport: they are two names of the same field",
        ),
        Rule(f"!{_IS_STDIO} || has(self.command)", "a server of type stdio needs command", ".command", is_missing=True),
        Rule(f"{_IS_STDIO} || has(self.url)", "a server of type http or sse needs url", ".url", is_missing=True),
        Rule(
            f"!{_IS_IN_POD} || {_IS_STDIO}",
            "isolation: Pod is for servers of type stdio: others run elsewhere already",
            ".isolation",
        ),
        Rule(
            f"{_IS_IN_POD} || !(has(self.image) || has(self.runtimeClassName) || has(self.egress)"
            " || has(self.idleAfterSeconds))",
            "image, runtimeClassName, egress and idleAfterSeconds need isolation: Pod",
        ),
        terms_need_approval(_IS_APPROVED),
    )

    type: MCPTransport | None = Field(
        default=None,
        description="How the server is reached: as a child process (stdio), or over HTTP (http, or the older sse).",
    )
    transport: MCPTransport | None = Field(
        default=None, description="The same as type, under another name; use one of the two."
    )
    command: Annotated[str, Schema(min_length=1, max_length=4096)] | None = Field(
        default=None, description="Program to start, for stdio."
    )
    args: Annotated[tuple[Annotated[str, Schema(max_length=32768)], ...], Schema(max_items=256)] = Field(
        default=(), description="Arguments of the program; no shell is involved."
    )
    env: Annotated[tuple[NamedValue, ...], Schema(max_items=128)] = Field(
        default=(), description="Environment variables of the program."
    )
    url: Url | None = Field(default=None, description="Address of the server, for http and sse.")
    headers: Annotated[tuple[NamedValue, ...], Schema(max_items=64)] = Field(
        default=(), description="HTTP headers that go with each request, for http and sse."
    )
    start_timeout_seconds: Annotated[int, Schema(minimum=1, maximum=86400)] | None = Field(
        default=None,
        description="Seconds until the program must have answered and listed its tools, for stdio. npx and uvx first"
        " download a server, which may take minutes. Default: 300.",
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Compute resources of the program, for stdio with isolation: Pod."
    )
    isolation: Isolation | None = Field(
        default=None,
        description="Where the program of a stdio server runs. Process: in the manager's container. Pod: in a Pod of "
        "its own, without a token of the API server, that only the manager can reach and that reaches only what egress "
        "lists. Default: Process.",
    )
    image: Annotated[str, Schema(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Image that has the program, for isolation: Pod. Default: the manager's own image.",
    )
    runtime_class_name: Annotated[str, Schema(min_length=1, max_length=253)] | None = Field(
        default=None, description="RuntimeClass of the Pod, such as one of gVisor or Kata, for isolation: Pod."
    )
    egress: Annotated[tuple[Egress, ...], Schema(max_items=64)] = Field(
        default=(),
        description="Addresses that the Pod may reach besides the cluster's DNS, for isolation: Pod. It takes a "
        "network plugin that enforces NetworkPolicies. Empty: none.",
    )
    idle_after_seconds: Annotated[int, Schema(minimum=10, maximum=604800)] | None = Field(
        default=None,
        description="Seconds without a call after which the Pod is stopped, for isolation: Pod. The next call starts "
        "it again and waits for it. Default: the Pod is kept.",
    )
    approval_contact_channel: LocalObjectReference | None = Field(
        default=None,
        description="ContactChannel on which a person must approve each call of this server's tools first.",
    )
    requires_approval: bool | None = Field(
        default=None,
        description="Whether a person must approve each call of this server's tools first; kubectl is enough to "
        "decide.",
    )
    approval: MCPApprovalTerms | None = Field(
        default=None, description="How calls are approved, and which of the server's tools need it."
    )
    trust_annotations: bool | None = Field(
        default=None,
        description="Whether the server's annotations decide which tools are read-only or may be repeated.",
    )
    on_unknown_outcome: OnUnknownOutcome | None = Field(default=None, description=ON_UNKNOWN_OUTCOME_DOC)
    asks_before_acting: bool | None = Field(
        default=None,
        description="Whether the server's tools do nothing before they ask a person, so that a call may be made again "
        "with the answer. It counts for protocol revisions before 2026-07-28, where a server holds the call open while "
        "it asks; without it, such a server is not told that people can be asked.",
    )
    tools: MCPToolFilter | None = Field(
        default=None, description="Which of the server's tools are offered, and which of them are safe to repeat."
    )

    @property
    def transport_type(self) -> MCPTransport:
        """How the server is reached, whichever of the two fields says it."""
        return self.type or self.transport or "stdio"

    @property
    def is_in_pod(self) -> bool:
        """Whether the server runs in a Pod of its own."""
        return self.isolation == Isolation.POD

    @property
    def idempotent(self) -> tuple[str, ...]:
        """Globs of the tools that a person declares safe to repeat."""
        return self.tools.idempotent if self.tools else ()

    def semantics_of(self, tool: MCPTool) -> ToolSemantics:
        """Whether an interrupted call of a tool may be repeated.

        A person says so, in the list or by trusting the server's annotations. The list counts whatever those say.
        """
        is_declared = globs.matches_any(self.idempotent, tool.name)
        is_trusted = bool(self.trust_annotations and tool.repeatable)
        return ToolSemantics.IDEMPOTENT if is_declared or is_trusted else ToolSemantics.AT_MOST_ONCE

    @property
    def needs_approval(self) -> bool:
        """Whether a person must approve calls of the server's tools."""
        return self.approval_contact_channel is not None or bool(self.requires_approval)


class MCPTool(KubeModel):
    """A tool that the server offers."""

    name: Annotated[str, Schema(max_length=256)] = Field(description="Its name at the server.")
    description: Annotated[str, Schema(max_length=32768)] | None = Field(default=None, description="What it does.")
    input_schema: Json | None = Field(default=None, description="JSON schema of its arguments.")
    repeatable: bool | None = Field(
        default=None,
        description="Whether the server's annotations allow a repeat; they count where spec.trustAnnotations is true.",
    )
    semantics: ToolSemantics | None = Field(
        default=None,
        description="What holds for a call of it that is interrupted, by spec.tools.idempotent and "
        "spec.trustAnnotations. Idempotent: it is made again. AtMostOnce: it is reported.",
    )
    read_only: bool | None = Field(
        default=None,
        description="Whether the server's annotations say that it only reads; they count where spec.trustAnnotations "
        "is true.",
    )


class MCPServerStatus(ReadinessStatus):
    """Whether the server is connected, and what it offers."""

    connected: bool = Field(default=False, description="Whether there is a working connection.")
    pod: PodState | None = Field(
        default=None,
        description="How the Pod of a server with isolation: Pod stands. Asleep: it was stopped, and the next call "
        "starts it.",
    )
    tools: Annotated[tuple[MCPTool, ...], Schema(max_items=1024)] = Field(
        default=(), description="Tools that the server offers."
    )


class MCPServer(StatusObject[MCPServerSpec, MCPServerStatus]):
    """A Model Context Protocol server whose tools agents may call."""

    kind: str = "MCPServer"
    status: Annotated[MCPServerStatus, UNSEEN] = Field(default_factory=MCPServerStatus)
