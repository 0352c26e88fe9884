"""What a run says about the run whose conversation it starts from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Name, NonNegativeInt, PositiveInt, Schema


class ContinueFrom(KubeModel):
    """Another run of the namespace, and the part of its conversation to start from."""

    name: Name = Field(
        description="TaskRun whose conversation the run starts from, however it ended; the run waits until it has "
        "ended. The conversation is copied when the run begins, with its ContextChunks: the other run may be deleted "
        "from then on. Calls that it left open are answered by what became of them. Summaries of it are kept."
    )
    before_turn: PositiveInt | None = Field(
        default=None,
        description="Start before the model's answer of this turn of the other run, counted from 1, instead of after "
        "its end. What its later turns did is not undone. A turn that has its answer can be given while the other run "
        "goes on.",
    )


class ContinuedFrom(KubeModel):
    """The run whose conversation a run has copied."""

    name: Name = Field(description="Name of the TaskRun.")
    uid: Annotated[str, Schema(max_length=64)] = Field(description="Its uid.")
    message_count: NonNegativeInt = Field(
        description="Number of messages that the conversation begins with and that the run did not add itself."
    )
