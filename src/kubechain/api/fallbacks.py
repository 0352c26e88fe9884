"""Which LLM of a run is called when the first one cannot answer, and why: the part of a run's status that tells it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from kubechain.api.meta import KubeModel
from kubechain.api.schema import Name, NonNegativeInt, Schema

FALLBACKS_LIMIT = 8
"""How many fallbacks an LLM may have."""

ANSWERED_BY_LIMIT = 32
"""How many changes of the LLM a run keeps."""

MESSAGE_LIMIT = 256
"""Characters of the cause for which an LLM is passed over."""


class PassedOverReason(StrEnum):
    """Why an LLM is passed over."""

    CALLS_FAIL = "CallsFail"
    """Several calls of the turn failed in a way that may pass."""
    NO_CREDIT = "NoCredit"
    """The account has no credit left."""
    KEY_REFUSED = "KeyRefused"
    """The provider refuses the key."""
    MODEL_GONE = "ModelGone"
    """The provider does not have the model."""
    SETTINGS_REFUSED = "SettingsRefused"
    """No request can be made from the LLM's settings, or its address leads to something else."""
    CONTEXT_TOO_LONG = "ContextTooLong"
    """The conversation is longer than the model's window."""
    PROVIDER_DOWN = "ProviderDown"
    """The circuit of the LLM is open, or its provider asks to wait for long."""
    NOT_READY = "NotReady"
    """The LLM is not Ready."""
    NOT_FOUND = "NotFound"
    """There is no such LLM."""
    NO_PRICE = "NoPrice"
    """A limit of cost binds the run, and no price is known for the LLM."""
    WINDOW_NOT_LARGER = "WindowNotLarger"
    """The conversation was too long for another LLM, and this one is not known to have a larger window; or it has more
    tokens than the window that is known of this one."""


class PassedOver(KubeModel):
    """An LLM that is passed over."""

    llm_name: Name = Field(description="The LLM.")
    reason: PassedOverReason = Field(description="Why it is passed over, as one word.")
    message: Annotated[str, Schema(max_length=MESSAGE_LIMIT)] = Field(default="", description="The cause in words.")

    @property
    def text(self) -> str:
        """The LLM and the cause, in words."""
        return f'LLM "{self.llm_name}" is passed over: {self.message}'


PassedOvers = Annotated[tuple[PassedOver, ...], Schema(max_items=FALLBACKS_LIMIT + 1)]


class PinnedLLM(KubeModel):
    """A fallback of the run's LLM, as it was when the run began."""

    name: Name = Field(description="Name of the LLM.")
    uid: Annotated[str, Schema(max_length=64)] = Field(default="", description="Its uid; empty where it did not exist.")
    generation: Annotated[int, Schema(minimum=0)] = Field(default=0, description="Generation of its spec.")


class AnsweredBy(KubeModel):
    """Turns in a row that the same LLM answered for the same reasons."""

    llm_name: Name = Field(description="LLM that answered.")
    model: Annotated[str, Schema(max_length=256)] = Field(default="", description="Model, as the provider names it.")
    first_turn: NonNegativeInt = Field(description="First of the turns.")
    last_turn: NonNegativeInt = Field(description="Last of the turns.")
    passed_over: PassedOvers = Field(
        default=(), description="LLMs before it that were passed over, with the cause as of the first of the turns."
    )
