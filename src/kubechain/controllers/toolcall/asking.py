"""What a person is asked about a call: the digest that binds the answer to it, the request, its text. Pure.

The digest is made of what cannot change: the call's own spec, and what its run pinned. So it is computed anew before
the call is carried out, by whatever process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from kubechain.api import names
from kubechain.api.approval import DecisionChoice
from kubechain.api.approvalpolicy import ApprovalPolicy
from kubechain.api.creators import created_by
from kubechain.api.humanrequest import (
    SHOWN_ARGUMENTS_LIMIT,
    HumanRequest,
    HumanRequestSpec,
    HumanRequestType,
    RequestContent,
    RequestSubject,
    SubjectResource,
    request_digest,
)
from kubechain.api.meta import GROUP, ObjectMeta, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall
from kubechain.controllers import policies as approval_policies
from kubechain.controllers.toolkinds.model import ToolOrigin
from kubechain.net.foreign import cut, cut_middle, harmless
from kubechain.tools import arguments as tool_arguments
from kubechain.tools.model import InvalidArguments

POLICIES = f"{GROUP}/approval-policies"
"""Annotation of a request: the ApprovalPolicies that want it, each with its message."""

POLICIES_MAX_CHARACTERS = 4_096

LAYOUT_MAX_BYTES = 8 * 1024
"""Limit of the arguments as `kubectl describe` lays them out; `request.arguments` has more of them."""

_RESOURCES: Mapping[str, SubjectResource] = {
    ToolOrigin.TOOL: "tools",
    ToolOrigin.MCP_SERVER: "mcpservers",
    ToolOrigin.AGENT: "agents",
}


def subject(run: TaskRun, tool: str) -> RequestSubject:
    """The object whose approvers may decide about a call: what provides the tool, else the run's Agent."""
    pinned, agent = pinned_tool(run, tool), agent_name(run)
    if pinned is None or pinned.kind not in _RESOURCES:
        return RequestSubject(resource="agents", name=agent)
    return RequestSubject(resource=_RESOURCES[pinned.kind], name=pinned.object)


def agent_name(run: TaskRun) -> str:
    """The Agent that the run pinned."""
    return run.status.pinned.agent_name if run.status.pinned else ""


def digest(call: TaskRunToolCall, run: TaskRun) -> str:
    """The digest of what is asked about a call.

    Not of the message: it only lays out the rest, and a later release that words it otherwise carries out what was
    approved before.
    """
    tool = call.spec.tool_ref.name
    return request_digest(HumanRequestType.APPROVAL, subject(run, tool), tool=tool, arguments=call.spec.arguments)


def asked(call: TaskRunToolCall, run: TaskRun, expires_at: datetime | None) -> Approval:
    """T1: what the call records before anybody is asked."""
    name = names.human_request_name(call.metadata.name)
    return Approval(digest=digest(call, run), request_name=name, expires_at=expires_at)


def message(call: TaskRunToolCall, run: TaskRun) -> str:
    """What a person reads: what will happen, and what to type."""
    about, name, namespace = subject(run, call.spec.tool_ref.name), call.metadata.name, call.metadata.namespace
    request = names.human_request_name(name)
    return "\n".join(
        (
            f'The agent "{agent_name(run)}" asks to call {call.spec.tool_ref.name} of {about.resource}/{about.name} '
            f"in TaskRun {run.metadata.name}, with these arguments:",
            _layout(call.spec.arguments),
            "Approve: the call is made once, as it is shown. ApproveForRun: and so is each later call of this tool in "
            "this run, whatever its arguments. Reject: it is not made, and the model reads the comment.",
            f"  kubechain approve {request} -n {namespace}",
            f"  kubechain reject {request} -n {namespace} --comment TEXT",
        )
    )


def _layout(arguments: str) -> str:
    """Arguments on lines of their own."""
    try:
        text = json.dumps(tool_arguments.parse(arguments, None), indent=2, ensure_ascii=False)
    except InvalidArguments:
        text = arguments
    return cut_middle(harmless(text), LAYOUT_MAX_BYTES, note=_left_out)


def _left_out(left_out_bytes: int) -> str:
    return f"[{left_out_bytes} bytes left out; the TaskRunToolCall has them]"


def request(
    call: TaskRunToolCall,
    run: TaskRun,
    approval: Approval,
    *,
    policies: Sequence[ApprovalPolicy],
    choices: Sequence[DecisionChoice],
) -> HumanRequest:
    """The object that asks, as it is sent to the API server: under its deterministic name, owned by the call.

    Args:
        policies: Those that are about the call.
        choices: What a person may choose.
    """
    return HumanRequest(
        metadata=_metadata(call, run, approval, policies),
        spec=HumanRequestSpec(
            request=RequestContent(
                type=HumanRequestType.APPROVAL,
                subject=subject(run, call.spec.tool_ref.name),
                task_run_ref=LocalObjectReference(name=run.metadata.name),
                tool=call.spec.tool_ref.name,
                arguments=shown(call.spec.arguments),
                digest=approval.digest,
                message=message(call, run),
                choices=tuple(choices),
                requested_by=created_by(run),
                policy_hash=approval_policies.combined_hash(policies),
                expires_at=approval.expires_at,
            )
        ),
    )


def _metadata(
    call: TaskRunToolCall, run: TaskRun, approval: Approval, policies: Sequence[ApprovalPolicy]
) -> ObjectMeta:
    labels = {
        names.LABEL_TASK_RUN: names.label_value(run.metadata.name),
        names.LABEL_TASK_RUN_TOOL_CALL: names.label_value(call.metadata.name),
    }
    wanted_by = "; ".join(f"{one.metadata.name}: {one.spec.message or 'no message'}" for one in policies)
    return ObjectMeta(
        name=approval.request_name,
        namespace=call.metadata.namespace,
        labels=labels,
        annotations={POLICIES: cut(harmless(wanted_by), POLICIES_MAX_CHARACTERS)} if wanted_by else {},
        owner_references=(owner_reference(call),),
    )


def shown(arguments: str) -> str:
    """What a request shows: the arguments byte for byte, or the start and the end of longer ones."""
    if len(arguments) <= SHOWN_ARGUMENTS_LIMIT:
        return arguments
    return cut_middle(arguments, SHOWN_ARGUMENTS_LIMIT - 256, note=_left_out)


def command(request_name: str, namespace: str, approval_digest: str) -> str:
    """The command that approves with kubectl alone."""
    decision = json.dumps({"spec": {"decision": {"choice": DecisionChoice.APPROVE, "digest": approval_digest}}})
    return f"kubectl patch hr {request_name} -n {namespace} --type=merge -p '{decision}'"
