"""Tool: something that an agent may call, described to the model by a JSON schema."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from kubechain.api.approval import ApprovalTerms, terms_need_approval
from kubechain.api.meta import UNSEEN, KubeModel, ReadinessStatus, StatusObject
from kubechain.api.references import LocalObjectReference, NamedValue, ResourceRequirements, SecretKeyRef
from kubechain.api.schema import Json, JsonObject, Rule, Schema, Text, Url


class ToolType(StrEnum):
    """What executes a tool."""

    FUNCTION = "function"
    DELEGATE_TO_AGENT = "delegateToAgent"
    EXTERNAL_API = "externalAPI"
    CONTAINER = "container"


class ToolSemantics(StrEnum):
    """Whether a call that was interrupted may be repeated."""

    IDEMPOTENT = "Idempotent"
    AT_MOST_ONCE = "AtMostOnce"


class OnUnknownOutcome(StrEnum):
    """What happens when it is not known whether a call took effect."""

    TELL_MODEL = "TellModel"
    ASK = "Ask"


ON_UNKNOWN_OUTCOME_DOC = (
    "What happens when it is not known whether a call took effect, such as one that was interrupted. TellModel, the "
    "default: the call ends as OutcomeUnknown, and the model reads that. Ask: the call waits for a person to say what "
    "became of it."
)


class BuiltinTool(KubeModel):
    """A function that is part of KubeChain."""

    name: Literal["add", "subtract", "multiply", "divide", "current_time", "json_query"] = Field(
        description="Which function."
    )


_HeaderName = Annotated[str, Schema(min_length=1, max_length=256, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


class ExternalAPI(KubeModel):
    """An HTTP endpoint that is called with the arguments."""

    url: Url = Field(
        description="Address to call. {name} in its path or query stands for that argument, percent-encoded."
    )
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Schema(default="POST")] = Field(
        default="POST", description="HTTP method."
    )
    requires_approval: bool | None = Field(default=None, description="Whether a person must approve each call first.")
    credentials_from: SecretKeyRef | None = Field(default=None, description="Secret that holds the bearer token.")
    credentials_header: _HeaderName | None = Field(
        default=None,
        description="Header that carries the credential as it is. Default: Authorization, as a bearer token.",
    )
    headers: Annotated[tuple[NamedValue, ...], Schema(max_items=64)] = Field(
        default=(), description="HTTP headers that go with each request."
    )
    body: Json | None = Field(
        default=None,
        description=(
            "JSON body, in which {name} stands for that argument. "
            "Default: the arguments that the URL does not name, as an object (POST, PUT and PATCH)."
        ),
    )
    idempotency_header: _HeaderName | None = Field(
        default=None, description="Header that carries the call's idempotency key. Default: Idempotency-Key."
    )
    max_response_bytes: Annotated[int, Schema(minimum=1, maximum=1024 * 1024)] | None = Field(
        default=None, description="Bytes of an answer that are read; the rest is cut off, and the model is told."
    )
    timeout_seconds: Annotated[int, Schema(minimum=1, maximum=3600)] | None = Field(
        default=None, description="Seconds that one call may take."
    )


_Words = Annotated[tuple[Annotated[str, Schema(max_length=32768)], ...], Schema(max_items=256)]


class ContainerTool(KubeModel):
    """A container that is run once for each call."""

    image: Annotated[str, Schema(min_length=1, max_length=512)] = Field(description="Image to run.")
    command: _Words = Field(default=(), description="Entrypoint, as a list of words; no shell is involved.")
    args: _Words = Field(default=(), description="Arguments of the entrypoint.")
    env: Annotated[tuple[NamedValue, ...], Schema(max_items=128)] = Field(
        default=(), description="Environment variables."
    )
    resources: ResourceRequirements | None = Field(default=None, description="Compute resources of the container.")
    timeout_seconds: Annotated[int, Schema(minimum=1, maximum=86400)] | None = Field(
        default=None, description="Seconds that one call may take."
    )
    service_account_name: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="ServiceAccount that the container runs as."
    )


class ToolExecute(KubeModel):
    """What a call does: exactly one of these."""

    crd_rules = (
        Rule(
            "[has(self.builtin), has(self.externalAPI), has(self.container)].filter(x, x).size() == 1",
            "set exactly one of builtin, externalAPI and container",
        ),
    )

    builtin: BuiltinTool | None = Field(default=None, description="A function that is part of KubeChain.")
    external_api: ExternalAPI | None = Field(default=None, description="An HTTP endpoint.")
    container: ContainerTool | None = Field(default=None, description="A container, run once for each call.")


_IS_APPROVED = (
    "has(self.approvalContactChannel) || (has(self.requiresApproval) && self.requiresApproval) || "
    "(has(self.execute) && has(self.execute.externalAPI) && has(self.execute.externalAPI.requiresApproval) && "
    "self.execute.externalAPI.requiresApproval)"
)


def _needs(tool_type: ToolType, field: str, condition: str) -> Rule:
    """A rule that a tool of this type has this field, in the spec or in `execute`."""
    return Rule(
        f"!has(self.toolType) || self.toolType != '{tool_type}' || ({condition})",
        f"a tool of type {tool_type} needs {field}",
        "." + field.split(".")[0],
        is_missing=True,
    )


_NEEDS = (
    _needs(ToolType.FUNCTION, "execute.builtin", "has(self.execute) && has(self.execute.builtin)"),
    _needs(ToolType.EXTERNAL_API, "execute.externalAPI", "has(self.execute) && has(self.execute.externalAPI)"),
    _needs(ToolType.CONTAINER, "execute.container", "has(self.execute) && has(self.execute.container)"),
    _needs(ToolType.DELEGATE_TO_AGENT, "agentRef", "has(self.agentRef)"),
)


class ToolSpec(KubeModel):
    """What the model is told about the tool, and what a call does."""

    crd_rules = (
        *_NEEDS,
        Rule("has(self.execute) || has(self.agentRef)", "set execute, or agentRef to delegate to an agent"),
        Rule(
            "!(has(self.parameters) && has(self.arguments))",
            "parameters and arguments are two names of the same field: use parameters",
            ".arguments",
        ),
        terms_need_approval(_IS_APPROVED),
    )

    name: Annotated[str, Schema(max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")] | None = Field(
        default=None,
        description="Name under which the tool is offered to the model. Defaults to the name of this Tool.",
    )
    description: Text | None = Field(
        default=None, description="What the tool does; the model decides by this when to call it."
    )
    parameters: Json | None = Field(default=None, description="JSON schema of the arguments.")
    arguments: Json | None = Field(default=None, description="Older name of parameters.")
    tool_type: ToolType | None = Field(default=None, description="What executes the tool.")
    execute: ToolExecute | None = Field(default=None, description="What a call does.")
    agent_ref: LocalObjectReference | None = Field(
        default=None, description="Agent to delegate to, for type delegateToAgent."
    )
    approval_contact_channel: LocalObjectReference | None = Field(
        default=None, description="ContactChannel on which a person must approve each call first."
    )
    requires_approval: bool | None = Field(
        default=None,
        description="Whether a person must approve each call first; kubectl is enough to decide.",
    )
    approval: ApprovalTerms | None = Field(default=None, description="How calls are approved.")
    semantics: ToolSemantics | None = Field(
        default=None,
        description="Idempotent: an interrupted call may be repeated. AtMostOnce, the default: it is reported.",
    )
    on_unknown_outcome: OnUnknownOutcome | None = Field(default=None, description=ON_UNKNOWN_OUTCOME_DOC)

    @property
    def names_approval(self) -> bool:
        """Whether the spec itself, whatever the tool executes, says that a person must approve each call."""
        return self.approval_contact_channel is not None or bool(self.requires_approval)


class ToolStatus(ReadinessStatus):
    """Whether the tool can be used."""


class Tool(StatusObject[ToolSpec, ToolStatus]):
    """Something that an agent may call, described to the model by a JSON schema."""

    kind: str = "Tool"
    status: Annotated[ToolStatus, UNSEEN] = Field(default_factory=ToolStatus)

    @property
    def offered_name(self) -> str:
        """The name under which the tool is offered to the model."""
        return self.spec.name or self.metadata.name

    @property
    def input_schema(self) -> JsonObject:
        """The JSON schema of the arguments, under either name; that of an empty object when there is none."""
        return self.spec.parameters or self.spec.arguments or {"type": "object", "properties": {}}
