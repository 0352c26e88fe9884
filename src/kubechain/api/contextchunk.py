"""ContextChunk: the older part of a long conversation, in objects of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.message import Message
from kubechain.api.meta import KubeModel, StatusBase, StatusObject
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Name, NonNegativeInt, Rule, Schema

LASTING_LIMIT = 512
"""Most lasting messages that a chunk repeats."""

Sha = Annotated[str, Schema(max_length=64)]


class ChunkReference(KubeModel):
    """A ContextChunk, by its name and by what is in it."""

    name: Name = Field(description="Name of the ContextChunk.")
    sha: Sha = Field(description="Its spec.sha.")


class MovedMessages(KubeModel):
    """The part of a conversation that is in ContextChunks: it comes before the messages of the status."""

    count: NonNegativeInt = Field(description="Number of ContextChunks.")
    message_count: NonNegativeInt = Field(description="Number of their messages.")
    size_bytes: NonNegativeInt = Field(description="Size of these messages as JSON.")
    last: ChunkReference = Field(description="The newest ContextChunk; each refers to the one before it.")
    lasting_sha: Sha | None = Field(
        default=None,
        description="SHA-256 over their lasting messages: those of the system and of the user, which no summary "
        "replaces. Not set where an earlier release moved messages.",
    )


class ChunkPlace(ChunkReference):
    """A ContextChunk, and its place in the conversation."""

    index: NonNegativeInt = Field(description="Its spec.index.")


class LastingMessages(KubeModel):
    """The lasting messages of the chunks before one: what a request needs of them where a summary replaces the rest."""

    messages: Annotated[tuple[Message, ...], Schema(max_items=LASTING_LIMIT)] = Field(
        default=(), description="Those that are repeated here, in order."
    )
    before: ChunkPlace | None = Field(
        default=None,
        description="The chunk that has those before them, or refers to them; not set where these are all.",
    )


class ContextChunkSpec(KubeModel):
    """Messages of a conversation, in order. Immutable."""

    crd_rules = (Rule("self == oldSelf", "a part of a conversation is immutable: it is what was said"),)

    task_run_ref: LocalObjectReference = Field(description="TaskRun whose conversation it is.")
    index: NonNegativeInt = Field(description="Place of the chunk in the conversation, from 0.")
    previous: ChunkReference | None = Field(
        default=None, description="The chunk before it; not set in the first of a conversation."
    )
    messages: Annotated[tuple[Message, ...], Schema(max_items=4096)] = Field(
        default=(), description="The messages, byte for byte as the TaskRun's status had them."
    )
    lasting: LastingMessages | None = Field(
        default=None,
        description="Lasting messages of the chunks before: those of the system and of the user, which no summary "
        "replaces. Not set in the first of a conversation, and by earlier releases.",
    )
    message_count: NonNegativeInt = Field(description="Number of the messages.")
    size_bytes: NonNegativeInt = Field(description="Size of the messages as JSON.")
    sha: Sha = Field(
        description="SHA-256 over the messages and the sha of the chunk before; in the first one, the TaskRun's uid."
    )


class ContextChunkStatus(StatusBase):
    """Nothing works on a chunk: its status stays empty."""


class ContextChunk(StatusObject[ContextChunkSpec, ContextChunkStatus]):
    """The older part of a long conversation, moved out of its TaskRun's status, which refers to it."""

    kind: str = "ContextChunk"
    status: ContextChunkStatus = Field(default_factory=ContextChunkStatus)
