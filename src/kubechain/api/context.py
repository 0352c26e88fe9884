"""What an Agent says about conversations that outgrow the window of their model, and what became of one of a run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kubechain.api.meta import KubeModel, Time
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import Name, NonNegativeInt, PositiveInt, Schema
from kubechain.api.usage import COUNT_LIMIT

SUMMARY_BYTES = 8 * 1024
"""Longest summary: it is part of the status, which is written at each turn."""

SUMMARIES_LIMIT = 32
"""Summaries that are listed; the newest covers what the earlier ones do."""

DEFAULT_AT_FRACTION = "0.8"
DEFAULT_KEEP_TOOL_RESULTS = 5
DEFAULT_KEEP_TURNS = 4


class ContextPolicy(StrEnum):
    """What becomes of a conversation that outgrows the window of its model."""

    FAIL = "Fail"
    TRIM = "Trim"
    SUMMARISE = "Summarise"


class Summariser(KubeModel):
    """Who writes summaries."""

    llm_ref: LocalObjectReference = Field(description="LLM that writes them.")


class AgentContext(KubeModel):
    """What becomes of a conversation that outgrows the window of its model. The run's status keeps all of it."""

    policy: ContextPolicy | None = Field(
        default=None,
        description="Fail: the run fails. Trim: the model is sent one line in place of each old tool result. "
        "Summarise, the default: where that is not enough, it is sent a summary in place of old turns; messages of the "
        "user stay as they are.",
    )
    at_fraction: Annotated[str, Schema(max_length=8, pattern=r"^(0\.[0-9]*[1-9][0-9]*|1(\.0+)?)$")] | None = Field(
        default=None,
        description="Share of the model's window from which on the policy acts, a number in quotes. The window is "
        "parameters.contextWindow of the LLM, else what the provider says of the model; where neither is known, the "
        f'policy acts once the provider refuses a request as too long. Default: "{DEFAULT_AT_FRACTION}".',
    )
    keep_tool_results: NonNegativeInt | None = Field(
        default=None,
        description="Newest tool results that are sent whole; those that the model has not read yet are in any case. "
        f"Default: {DEFAULT_KEEP_TOOL_RESULTS}.",
    )
    keep_turns: PositiveInt | None = Field(
        default=None,
        description="Newest turns that no summary replaces; fewer where they alone are too long. Default: "
        f"{DEFAULT_KEEP_TURNS}.",
    )
    summariser: Summariser | None = Field(
        default=None, description="Who writes summaries. Default: the LLM of the agent."
    )


class Summary(KubeModel):
    """A summary that the model is sent in place of older messages of the conversation."""

    from_message: NonNegativeInt = Field(
        description="Place of the first message that it is new about, from 0; of those before, it has what the summary "
        "before it said."
    )
    through_message: NonNegativeInt = Field(description="Place of the first message that it does not replace.")
    llm_name: Name = Field(description="LLM that wrote it.")
    at: Time = Field(description="When it was recorded.")
    sha: Annotated[str, Schema(max_length=64)] = Field(description="SHA-256 of its text.")
    content: Annotated[str, Schema(max_length=2 * SUMMARY_BYTES)] | None = Field(
        default=None, description="Its text; only the newest has it."
    )


class SummaryFailure(KubeModel):
    """The last summary that could not be made."""

    turn: NonNegativeInt = Field(description="Turn in which it was due.")
    message: Annotated[str, Schema(max_length=1024)] = Field(description="Why it could not be made.")


class RunContext(KubeModel):
    """How large the conversation is for the model, and what of it the model is not sent any more."""

    tokens: Annotated[int, Schema(minimum=0, maximum=COUNT_LIMIT)] | None = Field(
        default=None,
        description="Tokens of the next request: as the provider counted the last one, and an estimate of what was "
        "added or left out since.",
    )
    too_long: bool = Field(default=False, description="Whether the provider refused the last request as too long.")
    shortened: NonNegativeInt = Field(default=0, description="How often the request was made shorter.")
    trimmed_before: NonNegativeInt = Field(
        default=0, description="Tool results before this place in the conversation are sent as one line each."
    )
    cut_before: NonNegativeInt = Field(
        default=0, description="Tool results before this place are sent with cutBytes of their beginning and end."
    )
    cut_bytes: NonNegativeInt | None = Field(default=None, description="Bytes that are sent of each of these.")
    summary_failure: SummaryFailure | None = Field(
        default=None, description="The last summary that could not be made; old tool results are left out instead."
    )
