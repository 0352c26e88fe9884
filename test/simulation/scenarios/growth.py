"""Conversations that are too long: for the status of their run, and for the window of their model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.controllers.taskrun import summarising
from kubechain.llm.client import Completion
from kubechain.llm.errors import ContextTooLong, RequestRefused, ServerFailed
from kubechain.llm.fake import answer, calls
from test.simulation.fakes import Script, asks
from test.simulation.outside import Stage
from test.simulation.scenarios import objects
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS

LONG = ("long", PARIS)
WINDOW_BYTES = 300_000

_TURN = re.compile(r"\d+")
"""In the id of a call, the model's own and ours: both begin with the turn."""


def small_model(turns: int, *, summarises: bool = True) -> Script:
    """A model that reads no more than so many bytes, asks for a long result in each turn, and may write summaries."""

    def script(messages: Sequence[Message]) -> Completion:
        if sum(len(message.content) for message in messages) > WINDOW_BYTES:
            raise ContextTooLong("model: 400: the conversation is too long")
        if messages[0].content == summarising.SYSTEM:
            if not summarises:
                raise RequestRefused("model: 400: no")
            return answer("They read much.")
        asked = [message.tool_call_id for message in messages if message.role == "tool" and message.tool_call_id]
        turn = int(_TURN.findall(asked[-1])[0]) + 1 if asked else 0
        if turn >= turns:
            return answer("Done.")
        return calls(ToolCall(id=f"call_{turn}_0", function=ToolCallFunction(name=LONG[0], arguments=LONG[1])))

    return script


def _provider_fails(stage: Stage) -> None:
    """The provider of the first LLM is down from now on."""
    stage.outside.failing["gpt-4o"] = ServerFailed("overloaded", http_status=503)


ALL: tuple[Scenario, ...] = (
    Scenario(
        name="long-conversation",
        arrange=objects.endpoints("long", safe=True),
        script=asks([LONG] * 5, [LONG]),
        answers=ANSWERS,
        faults=("stale", "errors"),
    ),
    Scenario(
        name="summarised",
        arrange=objects.endpoints("long", safe=True),
        script=small_model(10),
        answers=ANSWERS,
        faults=("stale", "errors"),
    ),
    Scenario(
        name="summarised-fallback",
        arrange=objects.with_fallback("long", safe=True),
        script=small_model(5),
        answers=ANSWERS,
        # The first request that has the summary.
        during={"model hello/7": _provider_fails},
        faults=("stale", "errors"),
    ),
    Scenario(
        name="summary-refused",
        arrange=objects.endpoints("long", safe=True),
        script=small_model(6, summarises=False),
        answers=ANSWERS,
        faults=("stale", "errors"),
    ),
)
