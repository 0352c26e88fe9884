"""Conversations that others began: an earlier release, or a person in `spec.contextWindow`. Pure.

A model is never sent a tool call without its answer. The calls of an earlier release are found by their ids, and the
run goes on from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubechain.api import reasons
from kubechain.api.message import Message, ToolCall
from kubechain.api.taskrun import PendingToolCall, TaskRun
from kubechain.api.taskruntoolcall import TaskRunToolCall
from kubechain.controllers.taskrun import conversation
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.steps import Fail


def is_adopted(run: TaskRun) -> bool:
    """Whether the run has a conversation that this release did not begin."""
    return run.status.pinned is None and Transcript.of(run).is_begun


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Tool calls of one message without an answer.

    Attributes:
        calls: With their places in the message.
        is_last: Whether nothing but answers of the same message comes after it.
    """

    calls: tuple[tuple[int, ToolCall], ...]
    is_last: bool

    @property
    def text(self) -> str:
        """What is wrong with a conversation that has them."""
        named = ", ".join(f'"{call.id}" of tool "{call.function.name}"' for _, call in self.calls)
        return f"the conversation has no answer to the tool call {named}"


def unanswered(messages: Sequence[Message]) -> Unanswered | None:
    """The first message whose tool calls are not all answered before the next message of another role."""
    for place, message in enumerate(messages):
        if not message.tool_calls:
            continue
        after = _answers(messages[place + 1 :])
        answered = {one.tool_call_id for one in after}
        left = tuple((idx, call) for idx, call in enumerate(message.tool_calls) if call.id not in answered)
        if left:
            return Unanswered(left, is_last=place + 1 + len(after) == len(messages))
    return None


def _answers(messages: Sequence[Message]) -> Sequence[Message]:
    count = next((place for place, message in enumerate(messages) if message.role != "tool"), len(messages))
    return messages[:count]


def turn_of(run: TaskRun) -> int:
    """How many answers of the model the conversation has."""
    return sum(message.role == "assistant" for message in Transcript.of(run).messages)


def open_turn(run: TaskRun, calls: Mapping[str, TaskRunToolCall]) -> tuple[PendingToolCall, ...] | Fail:
    """The tool calls that the run waits for; a failure where nobody can tell what became of one of them.

    Args:
        calls: The calls' objects by their ids.
    """
    found = unanswered(Transcript.of(run).messages)
    if found is None:
        return ()
    if not found.is_last or any(call.id not in calls for _, call in found.calls):
        return Fail(reasons.UNANSWERED_TOOL_CALL, f"{found.text}, and no TaskRunToolCall of the run has it")
    return tuple(_pending(idx, call, calls[call.id]) for idx, call in found.calls)


def _pending(idx: int, call: ToolCall, made: TaskRunToolCall) -> PendingToolCall:
    name, arguments = call.function.name, call.function.arguments
    return PendingToolCall(
        idx=idx,
        tool_call_id=call.id,
        name=name,
        arguments=arguments,
        args_sha=conversation.args_sha(name, arguments),
        object_name=made.metadata.name,
    )
