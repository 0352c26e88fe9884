"""What one turn of a run took and cost."""

from __future__ import annotations

from pydantic import Field

from kubechain.api.meta import KubeModel, MicroTime
from kubechain.api.schema import NonNegativeInt
from kubechain.api.usage import Count, Dollars

TURN_RECORDS_LIMIT = 12
"""Of how many turns a run keeps the record, the newest ones. A record has about 150 bytes, which each write repeats."""


class TurnRecord(KubeModel):
    """One turn whose answer was processed: when its model call was made, and what it spent."""

    turn: NonNegativeInt = Field(description="The turn, from 1.")
    started_at: MicroTime = Field(description="When the call that was answered was started.")
    ended_at: MicroTime = Field(description="When its answer was there.")
    input_tokens: Count = Field(default=0, description="Tokens sent to the model.")
    output_tokens: Count = Field(default=0, description="Tokens that the model wrote.")
    cost: Dollars | None = Field(default=None, description="Cost in US dollars; not set where the price is not known.")
