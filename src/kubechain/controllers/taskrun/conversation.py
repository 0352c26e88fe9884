"""How a conversation starts, and how large it may get: pure functions over messages."""

import hashlib
from collections.abc import Iterable

from kubechain.api import names
from kubechain.api.message import Message
from kubechain.api.task import Task
from kubechain.api.taskrun import TaskRun

CONTEXT_WINDOW_MAX_BYTES = 1_200_000
"""etcd refuses objects over 1.5 MiB; what is left is for the JSON around the messages, the answer and the metadata."""

OUTPUT_MAX_BYTES = 64 * 1024
"""``status.output`` repeats the last message: a longer answer is cut here and stays whole in the context window."""


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
    """What ``status.output`` says of a final answer."""
    encoded = message.content.encode()
    if len(encoded) <= OUTPUT_MAX_BYTES:
        return message.content
    return encoded[:OUTPUT_MAX_BYTES].decode(errors="ignore") + "…"


def args_sha(name: str, arguments: str) -> str:
    """Identity of a tool call's content; approvals and child objects are bound to it."""
    return hashlib.sha256(f"{name}\0{arguments}".encode()).hexdigest()
