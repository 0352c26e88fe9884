"""The list of our kinds: names in the API, columns of `kubectl get`, and models.

What a field means belongs into the kind's own module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kubechain.api.agent import Agent
from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.contextchunk import ContextChunk
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.llm import LLM
from kubechain.api.mcpserver import MCPServer
from kubechain.api.meta import GROUP, VERSION, StatusObject
from kubechain.api.namespacebudget import Budget
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.api.tool import Tool

T = TypeVar("T", bound="StatusObject[Any, Any]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one is shown with `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of the API.

    Attributes:
        selectable_fields: JSON paths that `--field-selector` may use, besides name and namespace.
    """

    kind: str
    plural: str
    model: type[T]
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    group: str = GROUP
    version: str = VERSION

    @property
    def singular(self) -> str:
        """Name of one object on kubectl's command line."""
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"


_READY = Column("Ready", ".status.ready", type="boolean")
_STATUS = Column("Status", ".status.status")
_DETAIL = Column("Detail", ".status.statusDetail", wide=True)
_PHASE = Column("Phase", ".status.phase")
_ERROR = Column("Error", ".status.error", wide=True)
_STARTED = Column("Started", ".status.startTime", type="date", wide=True)
_COMPLETED = Column("Completed", ".status.completionTime", type="date", wide=True)

LLM_KIND = Kind(
    kind="LLM",
    plural="llms",
    model=LLM,
    columns=(
        Column("Provider", ".spec.provider"),
        _READY,
        _STATUS,
        Column("Window", ".status.model.contextWindow", type="integer", wide=True),
        Column("Retires", ".status.model.retiresAt", wide=True),
        _DETAIL,
    ),
    selectable_fields=(".spec.provider",),
)
AGENT_KIND = Kind(
    kind="Agent",
    plural="agents",
    short_names=("ag",),
    model=Agent,
    columns=(_READY, _STATUS, _DETAIL),
    selectable_fields=(".spec.llmRef.name",),
)
TOOL_KIND = Kind(kind="Tool", plural="tools", short_names=("tl",), model=Tool, columns=(_READY, _STATUS, _DETAIL))
TASK_KIND = Kind(
    kind="Task",
    plural="tasks",
    short_names=("tk",),
    model=Task,
    columns=(
        _READY,
        _STATUS,
        _DETAIL,
        Column("Agent", ".spec.agentRef.name"),
        Column("Message", ".spec.message"),
        Column("Output", ".status.output", wide=True),
        Column("Run", ".status.lastRun.name", wide=True),
        Column("Run Phase", ".status.lastRun.phase", wide=True),
    ),
    selectable_fields=(".spec.agentRef.name",),
)
TASK_RUN_KIND = Kind(
    kind="TaskRun",
    plural="taskruns",
    short_names=("tr",),
    model=TaskRun,
    columns=(
        _READY,
        _STATUS,
        _DETAIL,
        _PHASE,
        Column("Task", ".spec.taskRef.name"),
        Column("Preview", ".status.userMsgPreview"),
        Column("Output", ".status.output"),
        _ERROR,
        _STARTED,
        _COMPLETED,
        Column("Agent", ".status.pinned.agentName", wide=True),
        Column("Turns", ".status.turn", type="integer", wide=True),
        Column("Tokens", ".status.usage.totalTokens", type="integer", wide=True),
        Column("Cost", ".status.usage.cost", wide=True),
    ),
    selectable_fields=(".spec.taskRef.name", ".status.phase"),
)
TASK_RUN_TOOL_CALL_KIND = Kind(
    kind="TaskRunToolCall",
    plural="taskruntoolcalls",
    short_names=("trtc",),
    model=TaskRunToolCall,
    columns=(
        _PHASE,
        Column("TaskRun", ".spec.taskRunRef.name"),
        Column("Tool", ".spec.toolRef.name"),
        _STARTED,
        _COMPLETED,
        _ERROR,
    ),
    selectable_fields=(".spec.taskRunRef.name", ".status.phase"),
)
MCP_SERVER_KIND = Kind(
    kind="MCPServer",
    plural="mcpservers",
    short_names=("mcp",),
    model=MCPServer,
    columns=(
        _READY,
        _STATUS,
        Column("Connected", ".status.connected", type="boolean", wide=True),
        Column("Pod", ".status.pod", wide=True),
        _DETAIL,
    ),
)
CONTACT_CHANNEL_KIND = Kind(
    kind="ContactChannel",
    plural="contactchannels",
    short_names=("cc",),
    model=ContactChannel,
    columns=(Column("Type", ".spec.type"), _READY, _STATUS, _DETAIL),
)
HUMAN_REQUEST_KIND = Kind(
    kind="HumanRequest",
    plural="humanrequests",
    short_names=("hr",),
    model=HumanRequest,
    columns=(
        Column("Type", ".spec.request.type"),
        Column("Resource", ".spec.request.subject.resource"),
        Column("Subject", ".spec.request.subject.name"),
        Column("Tool", ".spec.request.tool"),
        Column("TaskRun", ".spec.request.taskRunRef.name"),
        _PHASE,
        Column("Expires", ".spec.request.expiresAt"),
        Column("Choice", ".spec.decision.choice", wide=True),
        Column("By", ".spec.decision.by", wide=True),
        Column("Through", ".spec.decision.through", wide=True),
    ),
    selectable_fields=(".spec.request.taskRunRef.name", ".spec.request.type", ".status.phase"),
)
APPROVAL_POLICY_KIND = Kind(
    kind="ApprovalPolicy",
    plural="approvalpolicies",
    model=ApprovalPolicy,
    columns=(
        Column("Action", ".spec.action"),
        Column("Agents", ".spec.agents"),
        Column("Tools", ".spec.tools"),
        _READY,
        _STATUS,
        _DETAIL,
    ),
)
BUDGET_KIND = Kind(
    kind="Budget",
    plural="budgets",
    model=Budget,
    columns=(
        Column("Period", ".spec.period"),
        Column("Limit", ".status.limit"),
        Column("Spent", ".status.spent"),
        Column("Left", ".status.left"),
        Column("Resets", ".status.resetsAt"),
        _READY,
        _STATUS,
        _DETAIL,
    ),
)
CONTEXT_CHUNK_KIND = Kind(
    kind="ContextChunk",
    plural="contextchunks",
    model=ContextChunk,
    columns=(
        Column("TaskRun", ".spec.taskRunRef.name"),
        Column("Index", ".spec.index", type="integer"),
        Column("Messages", ".spec.messageCount", type="integer"),
        Column("Bytes", ".spec.sizeBytes", type="integer"),
        Column("SHA", ".spec.sha", wide=True),
    ),
    selectable_fields=(".spec.taskRunRef.name",),
)

ALL_KINDS: Sequence[Kind[Any]] = (
    LLM_KIND,
    AGENT_KIND,
    TOOL_KIND,
    TASK_KIND,
    TASK_RUN_KIND,
    TASK_RUN_TOOL_CALL_KIND,
    MCP_SERVER_KIND,
    CONTACT_CHANNEL_KIND,
    HUMAN_REQUEST_KIND,
    APPROVAL_POLICY_KIND,
    CONTEXT_CHUNK_KIND,
    BUDGET_KIND,
)
