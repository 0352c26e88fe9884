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
from kubechain.api.humanrequest import HumanRequest, HumanRequestType, RequestSubject, SubjectResource
from kubechain.api.meta import GROUP
from kubechain.api.taskrun import TaskRun, pinned_tool
from kubechain.api.taskruntoolcall import Approval, TaskRunToolCall
from kubechain.controllers import policies as approval_policies
from kubechain.controllers.inquiries import Inquiry, left_out, request_for
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
    ToolOrigin.CONTACT_CHANNEL: "contactchannels",
}


def subject(run: TaskRun, tool: str) -> RequestSubject:
    """The object whose approvers may decide about a call: what provides the tool, else the run's Agent."""
    pinned, agent = pinned_tool(run, tool), agent_name(run)
    if pinned is None or pinned.kind not in _RESOURCES or not pinned.object:
        return RequestSubject(resource="agents", name=agent)
    return RequestSubject(resource=_RESOURCES[pinned.kind], name=pinned.object)


def agent_name(run: TaskRun) -> str:
    """The Agent that the run pinned."""
    return run.status.pinned.agent_name if run.status.pinned else ""


def inquiry(call: TaskRunToolCall, run: TaskRun, choices: Sequence[DecisionChoice] = ()) -> Inquiry:
    """What a person is asked who is to approve a call.

    A decision is not bound to the message: it only lays out the rest, and a later release that words it otherwise
    carries out what was approved before.
    """
    tool = call.spec.tool_ref.name
    return Inquiry(
        type=HumanRequestType.APPROVAL,
        subject=subject(run, tool),
        message=message(call, run),
        choices=tuple(choices),
        tool=tool,
        arguments=call.spec.arguments,
    )


def digest(call: TaskRunToolCall, run: TaskRun) -> str:
    """The digest of what is asked about a call."""
    return inquiry(call, run).digest


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
            layout(call.spec.arguments),
            "Approve: the call is made once, as it is shown. ApproveForRun: and so is each later call of this tool in "
            "this run, whatever its arguments. Reject: it is not made, and the model reads the comment.",
            f"  kubechain approve {request} -n {namespace}",
            f"  kubechain reject {request} -n {namespace} --comment TEXT",
        )
    )


def layout(arguments: str) -> str:
    """Arguments on lines of their own."""
    try:
        text = json.dumps(tool_arguments.parse(arguments, None), indent=2, ensure_ascii=False)
    except InvalidArguments:
        text = arguments
    return cut_middle(harmless(text), LAYOUT_MAX_BYTES, note=left_out)


def request(
    call: TaskRunToolCall, run: TaskRun, approval: Approval, inquiry: Inquiry, policies: Sequence[ApprovalPolicy]
) -> HumanRequest:
    """The object that asks for approval, as it is sent to the API server.

    Args:
        policies: Those that are about the call.
    """
    wanted_by = "; ".join(f"{one.metadata.name}: {one.spec.message or 'no message'}" for one in policies)
    return request_for(
        call,
        run,
        approval,
        inquiry,
        annotations={POLICIES: cut(harmless(wanted_by), POLICIES_MAX_CHARACTERS)} if wanted_by else None,
        policy_hash=approval_policies.combined_hash(policies),
    )
