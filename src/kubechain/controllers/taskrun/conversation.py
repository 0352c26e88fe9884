"""The conversation of a run: how it starts, how it grows, and how large it may get. Pure functions over messages.

`Transcript` is the only code of the controllers that reads or writes `status.contextWindow`. Of a long conversation
that field has the newest messages only; `chunks` has the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from kubechain.api import names
from kubechain.api.contextchunk import MovedMessages
from kubechain.api.message import Message
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.net.foreign import cut_bytes, cut_middle, harmless, printable

CONTEXT_WINDOW_MAX_BYTES = 1_200_000
"""etcd refuses objects over 1.5 MiB; the rest is for the JSON around the messages, the answer and the metadata."""

OUTPUT_MAX_BYTES = 64 * 1024
"""`status.output` repeats the last message: a longer answer is truncated here and stays whole in the conversation."""

RESULT_LIMITS_BYTES = (64 * 1024, 16 * 1024, 4 * 1024, 1024, 256)
"""Limits of one tool result in the conversation, which is rewritten whole at each turn: the first that leaves room."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The messages of a run, from the system prompt to the newest.

    Attributes:
        messages: In order.
        in_spec: `spec.contextWindow`, which is stored in the same object.
        moved: The messages before these, which are in ContextChunks; None where there are none.
    """

    messages: tuple[Message, ...]
    in_spec: tuple[Message, ...] = ()
    moved: MovedMessages | None = None

    @staticmethod
    def of(run: TaskRun) -> Transcript:
        """The conversation as the run's status has it."""
        return Transcript(run.status.context_window, run.spec.context_window, run.status.chunks)

    @staticmethod
    def written(run: TaskRun, status: Mapping[str, Any]) -> Transcript | None:
        """The conversation that changes of the status lead to; None where they leave it as it is."""
        messages = status.get("context_window")
        return None if messages is None else replace(Transcript.of(run), messages=messages)

    @staticmethod
    def opening(run: TaskRun, task: Task | None, system: str) -> Transcript:
        """The messages that a run starts from.

        Args:
            system: The Agent's prompt; a conversation that is continued keeps the prompt that it began with, unless
                the run has one of its own.
        """
        given = run.spec.context_window
        has_prompt = bool(given) and given[0].role == "system"
        if has_prompt and run.spec.system is None:
            head, earlier = (), given
        else:
            head = (Message(role="system", content=run.spec.system or system),)
            earlier = given[1:] if has_prompt else given
        text = user_message(run, task)
        tail = (Message(role="user", content=text),) if text else ()
        return Transcript((*head, *earlier, *tail), given)

    def appended(self, *messages: Message) -> Transcript:
        """The conversation with more messages at its end."""
        return replace(self, messages=(*self.messages, *messages))

    def shortened(self, count: int, moved: MovedMessages | None) -> Transcript:
        """The conversation whose first messages are in ContextChunks now."""
        return replace(self, messages=self.messages[count:], moved=moved)

    def whole(self, earlier: Sequence[Message]) -> Transcript:
        """The conversation with the messages of its ContextChunks before its own."""
        return replace(self, messages=(*earlier, *self.messages), moved=None)

    def after(self, earlier: Excerpt) -> Excerpt:
        """The conversation as far as it was read.

        Args:
            earlier: What was read of the messages in ContextChunks.
        """
        return earlier.appended(*self.messages)

    @property
    def is_begun(self) -> bool:
        """Whether there is any message."""
        return bool(self.messages) or self.moved is not None

    @property
    def size_bytes(self) -> int:
        """The room that the conversation takes in the stored object, what the spec holds of it included."""
        return sum(len(message.to_json()) for message in (*self.in_spec, *self.messages))

    @property
    def excess(self) -> str:
        """Why the conversation is too large to store; empty when it is not."""
        size, limit = self.size_bytes, CONTEXT_WINDOW_MAX_BYTES
        return f"the context window has {size} bytes, the limit is {limit}" if size > limit else ""

    @property
    def call_ids(self) -> frozenset[str]:
        """The ids of the tool calls in these messages, and those that results refer to."""
        asked = {call.id for message in self.messages for call in message.tool_calls}
        answered = {message.tool_call_id for message in self.messages if message.tool_call_id}
        return frozenset(asked | answered)

    @property
    def preview(self) -> str:
        """The beginning of the newest question, on one line."""
        questions = [message.content for message in self.messages if message.role == "user"]
        return names.message_preview(printable(questions[-1])) if questions else ""

    def status(self) -> dict[str, Any]:
        """The status fields that hold the conversation."""
        if self.moved is None:
            return {"context_window": self.messages, "message_count": len(self.messages)}
        count = self.moved.message_count + len(self.messages)
        return {"context_window": self.messages, "message_count": count, "chunks": self.moved}


def user_message(run: TaskRun, task: Task | None) -> str:
    """The first question: the run's own, else the Task's message with its goal and its history under headings."""
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


def output_of(message: Message) -> str:
    """`status.output` of a final answer: without what drives a terminal, since tables show it.

    Characters that JSON escapes take up to six bytes each; an answer of many of them is cut earlier.
    """
    content = harmless(message.content)
    output = cut_bytes(content, OUTPUT_MAX_BYTES)
    is_short = len(orjson.dumps(output)) <= 2 * OUTPUT_MAX_BYTES
    return output if is_short else cut_bytes(content, OUTPUT_MAX_BYTES // 3)


def unread(run: TaskRun) -> tuple[Message, ...]:
    """The messages of `spec.messages` that have not entered the conversation yet."""
    return tuple(
        Message(role="user", content=message.content) for message in run.spec.messages[run.status.messages_read :]
    )


def tool_message(call: TaskRunToolCall, name: str, limit_bytes: int = RESULT_LIMITS_BYTES[0]) -> Message:
    """The message that answers a finished call, however it ended."""
    text = shortened(_result(call), call, limit_bytes)
    message = Message(role="tool", tool_call_id=call.spec.tool_call_id, name=name, content=text)
    return message if call.status.phase is ToolCallPhase.SUCCEEDED else message.with_changes(is_error=True)


def _result(call: TaskRunToolCall) -> str:
    status = call.status
    match status.phase:
        case ToolCallPhase.SUCCEEDED:
            return status.result or ""
        case ToolCallPhase.FAILED:
            return f"error: {status.result or status.error or 'the call failed'}"
        case ToolCallPhase.TOOL_CALL_REJECTED:
            return f"rejected: {status.error or 'a person refused the call'}"
        case ToolCallPhase.OUTCOME_UNKNOWN:
            return (
                f"outcome unknown: {status.error or 'the call was interrupted'}. "
                "It may or may not have taken effect: verify before repeating it."
            )
        case ToolCallPhase.CANCELLED:
            return f"cancelled: {status.error or 'the call was cancelled'}"
        case (
            None
            | ToolCallPhase.PENDING
            | ToolCallPhase.RUNNING
            | ToolCallPhase.AWAITING_SUB_AGENT
            | ToolCallPhase.AWAITING_HUMAN_APPROVAL
            | ToolCallPhase.AWAITING_HUMAN_INPUT
            | ToolCallPhase.READY_TO_EXECUTE_APPROVED_TOOL
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_APPROVAL
            | ToolCallPhase.ERROR_REQUESTING_HUMAN_INPUT
        ):
            raise AssertionError(f"a call in phase {status.phase} has no result")


def shortened(text: str, call: TaskRunToolCall, limit_bytes: int) -> str:
    """Head and tail of a long result; the call's own object has the whole."""
    name = call.metadata.name
    return cut_middle(
        text,
        limit_bytes,
        note=lambda left: f'[{left} bytes left out; the whole is in TaskRunToolCall "{name}"]',
    )


def args_sha(name: str, arguments: str) -> str:
    """Identity of the content of a tool call; approvals and child objects are bound to it."""
    return hashlib.sha256(f"{name}\0{arguments}".encode()).hexdigest()
