"""How a conversation starts, and how large it may get: pure functions over messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from kubechain.api import names
from kubechain.api.message import Message
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase

CONTEXT_WINDOW_MAX_BYTES = 1_200_000
"""etcd refuses objects over 1.5 MiB; what is left is for the JSON around the messages, the answer and the metadata."""

OUTPUT_MAX_BYTES = 64 * 1024
"""`status.output` repeats the last message: a longer answer is cut here and stays whole in the context window."""


TOOL_RESULT_INLINE_BYTES = 64 * 1024
"""What one result may take of the conversation; a conversation is rewritten whole at each turn."""


def opening(run: TaskRun, task: Task | None, system: str) -> tuple[Message, ...]:
    """The messages that a run starts from.

    Args:
        system: The Agent's prompt; a conversation that is continued keeps the one that it began with.
    """
    earlier = run.spec.context_window
    head = () if earlier and earlier[0].role == "system" else (Message(role="system", content=system),)
    text = user_message(run, task)
    tail = (Message(role="user", content=text),) if text else ()
    return (*head, *earlier, *tail)


def user_message(run: TaskRun, task: Task | None) -> str:
    """The first question: the run's own, else the Task's message with its goal and its past under plain headings."""
    if run.spec.user_message is not None:
        return run.spec.user_message
    if task is None:
        return ""
    parts = [task.spec.message]
    if task.spec.goal:
        parts.append(f"Goal:\n{task.spec.goal}")
    if task.spec.everything_that_happened_so_far:
        parts.append("Everything that happened so far:\n" + "\n".join(task.spec.everything_that_happened_so_far))
    return "\n\n".join(parts)


def preview(messages: Iterable[Message]) -> str:
    """The beginning of the newest question, on one line."""
    questions = [message.content for message in messages if message.role == "user"]
    return names.message_preview(" ".join(questions[-1].split())) if questions else ""


def size_bytes(messages: Iterable[Message]) -> int:
    """How much room messages take in the stored object."""
    return sum(len(message.to_json()) for message in messages)


def output_of(message: Message) -> str:
    """What `status.output` says of a final answer."""
    encoded = message.content.encode()
    if len(encoded) <= OUTPUT_MAX_BYTES:
        return message.content
    return encoded[:OUTPUT_MAX_BYTES].decode(errors="ignore") + "…"


def unread(run: TaskRun) -> tuple[Message, ...]:
    """What people told the agent since it last looked."""
    return tuple(
        Message(role="user", content=message.content) for message in run.spec.messages[run.status.messages_read :]
    )


def tool_message(call: TaskRunToolCall, name: str) -> Message:
    """What the model reads about a call that is over, whatever its end."""
    return Message(role="tool", tool_call_id=call.spec.tool_call_id, name=name, content=shortened(_end_of(call), call))


def _end_of(call: TaskRunToolCall) -> str:
    status = call.status
    match status.phase:
        case ToolCallPhase.SUCCEEDED:
            return status.result or ""
        case ToolCallPhase.TOOL_CALL_REJECTED:
            return f"rejected: {status.error or 'a person refused the call'}"
        case ToolCallPhase.OUTCOME_UNKNOWN:
            return (
                f"outcome unknown: {status.error or 'the call was interrupted'}. "
                "It may or may not have taken effect: verify before repeating it."
            )
        case ToolCallPhase.CANCELLED:
            return f"cancelled: {status.error or 'the call was cancelled'}"
        case _:
            return f"error: {status.result or status.error or 'the call failed'}"


def shortened(text: str, call: TaskRunToolCall) -> str:
    """Head and tail of a long result; the whole stays in the call's own object."""
    encoded = text.encode()
    if len(encoded) <= TOOL_RESULT_INLINE_BYTES:
        return text
    half = TOOL_RESULT_INLINE_BYTES // 2
    head, tail = encoded[:half].decode(errors="ignore"), encoded[-half:].decode(errors="ignore")
    left_out = len(encoded) - 2 * half
    note = f'[{left_out} bytes left out; the whole is in TaskRunToolCall "{call.metadata.name}"]'
    return f"{head}\n{note}\n{tail}"


def args_sha(name: str, arguments: str) -> str:
    """Identity of a tool call's content; approvals and child objects are bound to it."""
    return hashlib.sha256(f"{name}\0{arguments}".encode()).hexdigest()
