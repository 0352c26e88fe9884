"""`kubechain conversation`: prints all that was said in a run, and says whether it is what was recorded."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.output import JSON, TEXT, YAML, add_output_flag, print_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubechain.api.message import Message
    from kubechain.api.taskrun import TaskRun
    from kubechain.cli.clusters import Place

SUMMARY = "print the whole conversation of a run, and verify it"
DESCRIPTION = """\
Print every message of a run: those in its status, and those of a long conversation that are in ContextChunks. The
hashes of the chunks are verified; a chunk that is gone or was changed is named, and the exit status is 1.

With --as-sent: what the model is sent now, where old tool results are left out and a summary takes the place of old
turns.
"""
EPILOG = """\
examples:
  kubechain conversation hello-1
  kubechain conversation hello-1 --as-sent
  kubechain conversation hello-1 -o json | jq '.messages[] | select(.role == "tool")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    parser.add_argument("--as-sent", action="store_true", help="what the model is sent, in place of what was said")
    add_cluster_flags(parser)
    add_output_flag(parser, (TEXT, JSON, YAML))


def run(options: argparse.Namespace) -> int:
    """Print the conversation."""
    from kubechain.cli import clusters, references
    from kubechain.controllers.resources import TASK_RUNS
    from kubechain.controllers.taskrun import rendering
    from kubechain.controllers.taskrun.conversation import Transcript
    from kubechain.controllers.taskrun.excerpts import Excerpt

    name = references.run_name(options.name)

    async def command(place: Place) -> int:
        found = await place.client.get(TASK_RUNS, place.namespace or "", name)
        earlier = await _earlier(place, found)
        messages = Transcript.of(found).whole(earlier).messages
        sent = rendering.request(found, Excerpt(tuple(earlier))) if options.as_sent else messages
        if options.output == TEXT:
            print(as_text(sent))
            print(verdict(found, len(messages), len(sent), is_sent=options.as_sent), file=sys.stderr)
        else:
            print_data(as_data(found, sent, is_sent=options.as_sent), options.output)
        return 0

    return clusters.run(options, command)


async def _earlier(place: Place, found: TaskRun) -> Sequence[Message]:
    """The messages in ContextChunks, verified one by one.

    Raises:
        Failure: One is gone, was changed, or cannot be read.
    """
    from kubechain.cli.terminal import Failure
    from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkCache, ChunkStore, ChunkUnread

    try:
        return await ChunkStore(place.client, ChunkCache()).messages(found)
    except ChunkUnread as error:
        raise Failure(str(error)) from error
    except ChunkBroken as error:
        name = found.metadata.name
        text = f"{error}: the older messages of {name} are not those that were recorded"
        raise Failure(f"{text}; kubectl get taskrun {name} has the newest ones") from error


def as_text(messages: Sequence[Message]) -> str:
    """The messages, each with its place and its author in a line above it."""
    from kubechain.net.foreign import harmless

    return "\n\n".join(harmless(f"{_head(place, one)}\n{_body(one)}".rstrip()) for place, one in enumerate(messages))


def _head(place: int, message: Message) -> str:
    name = f" {message.name}" if message.name else ""
    answers = f" answers {message.tool_call_id}" if message.tool_call_id else ""
    return f"#{place} {message.role}{name}{answers}{' (error)' if message.is_error else ''}"


def _body(message: Message) -> str:
    calls = [f"call {call.id}: {call.function.name} {call.function.arguments}" for call in message.tool_calls]
    return "\n".join([*([message.content] if message.content else []), *calls])


def verdict(run: TaskRun, count: int, sent: int, *, is_sent: bool) -> str:
    """Whether the conversation is what was recorded, and how much of it the model is sent.

    Args:
        count: Messages of the conversation.
        sent: Messages that the model is sent.
    """
    chunks = run.status.chunks
    moved = f"{chunks.message_count} of them in {chunks.count} ContextChunk(s) whose hashes are right" if chunks else ""
    text = f"{count} messages{f', {moved}' if moved else ''}"
    if not is_sent:
        return text
    context = run.status.context
    tokens = f", about {context.tokens} tokens" if context is not None and context.tokens is not None else ""
    return f"{text}; the model is sent {sent}{tokens}"


def as_data(run: TaskRun, messages: Sequence[Message], *, is_sent: bool) -> dict[str, Any]:
    """The same for programs."""
    chunks = run.status.chunks
    return {
        "run": run.metadata.name,
        "asSent": is_sent,
        "messageCount": run.status.message_count,
        "verifiedChunks": chunks.count if chunks else 0,
        "summaries": [summary.to_wire() for summary in run.status.summaries],
        "messages": [message.to_wire() for message in messages],
    }
