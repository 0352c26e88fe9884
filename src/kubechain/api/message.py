"""The messages of a conversation, in the form that TaskRuns store and `kubectl` shows.

The dialects in `llm` translate to and from each provider's own form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Json, Name, Schema

Role = Literal["system", "user", "assistant", "tool"]

CONTENT_LIMIT = 1_048_576
"""Longest content of one message, in characters; etcd refuses objects over 1.5 MiB."""

TOOL_CALLS_LIMIT = 256
"""Most calls in one message; a model that asks for more at once is in a loop."""

PROVIDER_DATA_PARTS_LIMIT = 2 * TOOL_CALLS_LIMIT
"""Most parts of one message's provider data."""

PROVIDER_DATA_LIMIT_BYTES = 256 * 1024
"""Most JSON that is kept of one message's provider data: a fifth of what a conversation may take."""


class ToolCallFunction(KubeModel):
    """Name and arguments of a tool call."""

    name: Annotated[str, Schema(max_length=256)] = Field(
        description="Name under which the tool was offered to the model."
    )
    arguments: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(
        default="", description="Arguments as JSON text, byte for byte what the model sent."
    )


class ToolCall(KubeModel):
    """One tool call that the model asks for."""

    id: Name = Field(description="Id that the tool's answer refers to.")
    type: Annotated[Literal["function"], Schema(default="function")] = Field(
        default="function", description="Always function."
    )
    function: ToolCallFunction = Field(description="Name and arguments of the call.")

    def model_post_init(self, context: Any, /) -> None:
        """Providers and readers expect the type to be spelled out."""
        self._write_always("type")


class ProviderData(KubeModel):
    """What a provider sent with a message and needs back as it was; it is sent to the same provider and model only."""

    provider: Annotated[str, Schema(max_length=63)] = Field(description="Provider that the message came from.")
    model: Annotated[str, Schema(max_length=256)] = Field(description="Name of the model that was asked.")
    parts: Annotated[tuple[Json, ...], Schema(max_items=PROVIDER_DATA_PARTS_LIMIT)] = Field(
        default=(), description="JSON of the provider, such as its reasoning and signatures; unchanged."
    )
    omitted: Annotated[str, Schema(max_length=256)] | None = Field(
        default=None, description="Why the parts were not kept, where they were not."
    )


class Message(KubeModel):
    """One message of a conversation."""

    role: Role = Field(description="Author of the message: system, user, assistant or tool.")
    content: Annotated[str, Schema(max_length=CONTENT_LIMIT)] = Field(default="", description="Text of the message.")
    tool_calls: Annotated[tuple[ToolCall, ...], Schema(max_items=TOOL_CALLS_LIMIT)] = Field(
        default=(), description="Tool calls that the assistant asks for."
    )
    tool_call_id: Annotated[str, Schema(max_length=253)] | None = Field(
        default=None, description="Call that this message, of role tool, answers."
    )
    name: Annotated[str, Schema(max_length=256)] | None = Field(
        default=None, description="Name of the author, where a role has several."
    )
    is_error: bool = Field(
        default=False, description="Of a message of role tool: that the call failed, was refused or has no outcome."
    )
    provider_data: ProviderData | None = Field(
        default=None, description="What the provider sent with the message and needs back."
    )
