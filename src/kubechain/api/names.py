"""Names and labels that KubeChain derives for the objects it makes.

Derived names are deterministic: a process that makes the object again after a crash derives the same name and finds it.
A name that would be too long keeps its start and gets a hash of the whole, so that two long names never become one; a
valid object never fails because of a name that was derived from it.
"""

from __future__ import annotations

import hashlib
import re

from kubechain.api.meta import GROUP

LABEL_TASK = f"{GROUP}/task"
LABEL_TASK_RUN = f"{GROUP}/taskrun"
LABEL_TASK_RUN_TOOL_CALL = f"{GROUP}/taskruntoolcall"
LABEL_MCP_SERVER = f"{GROUP}/mcpserver"
LABEL_TOOL_CALL_REQUEST = f"{GROUP}/toolcallrequest"

MAX_NAME_LENGTH = 253
"""Kubernetes: an object name is an RFC 1123 subdomain."""

MAX_LABEL_VALUE_LENGTH = 63
"""Kubernetes: longest label value."""

_HASH_LENGTH = 16
"""Hex digits, 64 bits: a collision among a million long names has a chance of one in 37 million."""

MAX_TOOL_NAME_LENGTH = 64
"""What OpenAI takes; the others take more."""

BUDGET_FINALIZER = f"{GROUP}/budget"
"""Of a TaskRun that a Budget counts: holds it until the Budget has recorded what it spent."""

TOOL_CALL_FINALIZER = f"{GROUP}/tool-call"
"""Keeps a deleted tool call until its run has read the result; a run makes a call that is missing again.

It is removed once the run has read the result. Calls without effects outside are made without it."""

HUMAN_REQUEST_FINALIZER = f"{GROUP}/human-request"
"""Keeps a deleted request until its messages at contact channels say that it is over.

It is removed once they say so, and in any case a short time after the deletion. Requests that no channel carries are
made without it."""

PREVIEW_LENGTH = 50
"""Characters of the user's message that `kubectl get taskrun` shows."""


def shortened(text: str, limit: int, *, suffix: str = "") -> str:
    """Return `text + suffix` if it fits, else the start of the text, a hash of all of it, and the suffix.

    The cut never leaves a separator next to the hash, so that a valid DNS name stays one.

    Args:
        limit: Longest result, in characters; must leave room for hash and suffix.
    """
    if len(text) + len(suffix) <= limit:
        return text + suffix
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    start = text[: limit - len(suffix) - _HASH_LENGTH - 1].rstrip("-._")
    return f"{start}-{digest}{suffix}"


def label_value(name: str) -> str:
    """Return the label value that stands for an object name: the name itself where it fits."""
    return shortened(name, MAX_LABEL_VALUE_LENGTH)


def task_run_name(task_name: str, number: int) -> str:
    """Return the name of the task's run of this number, counted from 1."""
    return shortened(task_name, MAX_NAME_LENGTH, suffix=f"-{number}")


def tool_call_name(task_run_name: str, *, turn: int, index: int) -> str:
    """Return the name of the TaskRunToolCall for one call of one turn, both counted from 0."""
    return shortened(task_run_name, MAX_NAME_LENGTH, suffix=f"-t{turn}-c{index}")


def mcp_pod_name(server_name: str) -> str:
    """Return the name of the objects by which an MCPServer runs in a Pod of its own; a Service can have it."""
    wanted = f"mcp-{server_name}"
    if "." not in wanted and len(wanted) <= MAX_LABEL_VALUE_LENGTH:
        return wanted
    # Names of Services have no dots: the hash tells a.b from a-b.
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:_HASH_LENGTH]
    start = wanted.replace(".", "-")[: MAX_LABEL_VALUE_LENGTH - _HASH_LENGTH - 1].rstrip("-")
    return f"{start}-{digest}"


def offered_tool_name(name: str) -> str:
    """Return the name under which something is offered to a model: providers take letters, digits, `_` and `-`.

    A name that has to be changed gets a hash of the original, so that two names never become one. The way back is a
    look-up in what was offered, never an inversion of this.
    """
    clean = re.sub(r"[^a-zA-Z0-9_-]", "_", name)
    if clean == name and len(name) <= MAX_TOOL_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{clean[: MAX_TOOL_NAME_LENGTH - 9]}_{digest}"


def mcp_tool_name(server_name: str, tool_name: str) -> str:
    """Return the name under which a tool of an MCP server is offered to the model."""
    return offered_tool_name(f"{server_name}__{tool_name}")


def delegate_tool_name(agent_name: str) -> str:
    """Return the name under which an agent is offered to another one's model."""
    return offered_tool_name(f"delegate_to_agent__{agent_name}")


def human_contact_tool_name(channel_name: str, channel_type: str) -> str:
    """Return the name under which the model may ask people through a contact channel."""
    return offered_tool_name(f"{channel_name}__human_contact_{channel_type}")


def sub_agent_run_name(tool_call_name: str) -> str:
    """Return the name of the TaskRun that a delegated call starts."""
    return shortened(tool_call_name, MAX_NAME_LENGTH, suffix="-run")


def human_request_name(tool_call_name: str, number: int = 1) -> str:
    """Return the name of a call's HumanRequest: the first has the name of the call, the others a number from 2."""
    return shortened(tool_call_name, MAX_NAME_LENGTH, suffix="" if number == 1 else f"-{number}")


def budget_request_name(task_run_name: str, number: int) -> str:
    """Return the name of the HumanRequest that asks what a run may spend beyond its limits, counted from 1."""
    return shortened(task_run_name, MAX_NAME_LENGTH, suffix=f"-budget-{number}")


def context_chunk_name(task_run_name: str, index: int, sha: str) -> str:
    """Return the name of a part of a run's conversation, counted from 0: another content has another name."""
    return shortened(task_run_name, MAX_NAME_LENGTH, suffix=f"-ctx-{index}-{sha[:8]}")


def message_preview(message: str) -> str:
    """Return the first 50 characters of a message, with an ellipsis where it goes on."""
    if len(message) <= PREVIEW_LENGTH:
        return message
    return message[: PREVIEW_LENGTH - 3] + "..."
