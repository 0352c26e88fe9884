"""What every generated CRD must have, whatever the kind; what single rules refuse is tested on an API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubechain.api.crd import custom_resource_definition, custom_resource_definitions
from kubechain.api.kinds import ALL_KINDS, Kind

Node = tuple[str, dict[str, Any]]


def schema_of(kind: Kind[Any]) -> dict[str, Any]:
    return custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[Node]:
    """Every schema within a schema, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def our_nodes(kind: Kind[Any]) -> list[Node]:
    """The schemas below spec and status: the rest is Kubernetes' own."""
    return [node for node in nodes(schema_of(kind)) if node[0].startswith((".spec", ".status"))]


every_kind = pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.kind)


@every_kind
def test_every_field_is_described(kind: Kind[Any]) -> None:
    fields = [(path, node) for path, node in our_nodes(kind) if not path.endswith(("[]", "{}"))]
    assert [path for path, node in fields if not node.get("description", "").endswith((".", ".)"))] == []


@every_kind
def test_everything_is_bounded_so_that_rules_have_a_cost(kind: Kind[Any]) -> None:
    unbounded: list[str] = []
    for path, node in our_nodes(kind):
        match node.get("type"):
            case "string":
                bounded = bool({"maxLength", "enum", "format"} & node.keys())
            case "array":
                bounded = "maxItems" in node
            case "object":
                bounded = "additionalProperties" not in node or "maxProperties" in node
            case _:
                bounded = True
        if not bounded:
            unbounded.append(path)
    assert unbounded == []


@every_kind
def test_the_schema_is_structural(kind: Kind[Any]) -> None:
    for path, node in our_nodes(kind):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert "$ref" not in node, path
        assert not ("properties" in node and "additionalProperties" in node), path


@every_kind
def test_required_fields_exist(kind: Kind[Any]) -> None:
    for path, node in nodes(schema_of(kind)):
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), path


@every_kind
def test_each_kind_has_a_status_of_its_own_and_the_category(kind: Kind[Any]) -> None:
    spec = custom_resource_definition(kind)["spec"]
    assert spec["names"]["categories"] == ["kubechain"]
    assert spec["scope"] == "Namespaced"
    assert [version["subresources"] for version in spec["versions"]] == [{"status": {}}]


@every_kind
def test_what_is_given_out_is_the_callers_to_change(kind: Kind[Any]) -> None:
    custom_resource_definition(kind)["spec"]["versions"][0]["schema"].clear()
    assert schema_of(kind)["properties"]


COLUMNS = {
    "LLM": ("PROVIDER READY STATUS", "PROVIDER READY STATUS WINDOW RETIRES DETAIL"),
    "Agent": ("READY STATUS", "READY STATUS DETAIL"),
    "Tool": ("READY STATUS", "READY STATUS DETAIL"),
    "Task": ("READY STATUS AGENT MESSAGE", "READY STATUS DETAIL AGENT MESSAGE OUTPUT RUN RUN PHASE"),
    "TaskRun": (
        "READY STATUS PHASE TASK PREVIEW OUTPUT",
        "READY STATUS DETAIL PHASE TASK PREVIEW OUTPUT ERROR STARTED COMPLETED AGENT TURNS TOKENS COST",
    ),
    "TaskRunToolCall": ("PHASE TASKRUN TOOL", "PHASE TASKRUN TOOL STARTED COMPLETED ERROR"),
    "MCPServer": ("READY STATUS", "READY STATUS CONNECTED POD DETAIL"),
    "ContactChannel": ("TYPE READY STATUS", "TYPE READY STATUS DETAIL"),
    "HumanRequest": (
        "TYPE RESOURCE SUBJECT TOOL TASKRUN PHASE EXPIRES",
        "TYPE RESOURCE SUBJECT TOOL TASKRUN PHASE EXPIRES CHOICE BY THROUGH",
    ),
    "ContextChunk": ("TASKRUN INDEX MESSAGES BYTES", "TASKRUN INDEX MESSAGES BYTES SHA"),
    "Budget": ("PERIOD LIMIT SPENT LEFT RESETS READY STATUS", "PERIOD LIMIT SPENT LEFT RESETS READY STATUS DETAIL"),
    "ApprovalPolicy": ("ACTION AGENTS TOOLS READY STATUS", "ACTION AGENTS TOOLS READY STATUS DETAIL"),
}


@every_kind
def test_kubectl_get_shows_these_columns(kind: Kind[Any]) -> None:
    narrow, wide = COLUMNS[kind.kind]
    columns = custom_resource_definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
    assert " ".join(column["name"].upper() for column in columns) == wide
    assert " ".join(column["name"].upper() for column in columns if not column.get("priority")) == narrow


@every_kind
def test_columns_and_selectors_point_at_fields_that_exist(kind: Kind[Any]) -> None:
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    paths = {path for path, _ in nodes(schema_of(kind))}
    named = [*version["additionalPrinterColumns"], *version.get("selectableFields", [])]
    assert [entry["jsonPath"] for entry in named if entry["jsonPath"] not in paths] == []


NAMES = {
    "llms.kubechain.humanlayer.dev": None,
    "agents.kubechain.humanlayer.dev": ["ag"],
    "tools.kubechain.humanlayer.dev": ["tl"],
    "tasks.kubechain.humanlayer.dev": ["tk"],
    "taskruns.kubechain.humanlayer.dev": ["tr"],
    "taskruntoolcalls.kubechain.humanlayer.dev": ["trtc"],
    "mcpservers.kubechain.humanlayer.dev": ["mcp"],
    "contactchannels.kubechain.humanlayer.dev": ["cc"],
    "humanrequests.kubechain.humanlayer.dev": ["hr"],
    "approvalpolicies.kubechain.humanlayer.dev": None,
    "contextchunks.kubechain.humanlayer.dev": None,
    "budgets.kubechain.humanlayer.dev": None,
}


def test_plurals_and_short_names() -> None:
    crds = custom_resource_definitions()
    assert {crd["metadata"]["name"]: crd["spec"]["names"].get("shortNames") for crd in crds} == NAMES


PHASES = {
    "TaskRun": "Initializing Pending ReadyForLLM SendContextWindowToLLM ToolCallsPending CheckingToolCalls FinalAnswer "
    "ErrorBackoff Failed Cancelled",
    "TaskRunToolCall": "Pending Running Succeeded Failed AwaitingHumanInput AwaitingSubAgent AwaitingHumanApproval "
    "ReadyToExecuteApprovedTool ErrorRequestingHumanApproval ErrorRequestingHumanInput ToolCallRejected OutcomeUnknown "
    "Cancelled",
    "HumanRequest": "Open Decided Expired Withdrawn",
}


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if kind.kind in PHASES], ids=lambda kind: kind.kind)
def test_the_phases_are_these(kind: Kind[Any]) -> None:
    status = schema_of(kind)["properties"]["status"]["properties"]
    assert set(status["phase"]["enum"]) == set(PHASES[kind.kind].split())
