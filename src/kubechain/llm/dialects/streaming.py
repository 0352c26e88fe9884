"""Whether an answer is asked for as a stream, and what the folds of all dialects have in common. Pure.

Whole replies are the rule: a stream of 200 chunks costs more than 5 times the CPU of a whole reply (6.6 ms against
1.2), and half a stream is worth nothing, because nothing happens before the whole turn is recorded. A stream is asked
for where the provider insists, and where something on the way closes a connection on which nothing is sent for long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from kubechain.api.usage import Usage
from kubechain.llm.dialects.json_values import loads, mapping
from kubechain.llm.dialects.replies import counted
from kubechain.llm.errors import ConnectionLost, InvalidAnswer
from kubechain.llm.sse import ServerSentEvent

StreamMode = Literal["Auto", "Always", "Never"]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The settings of a dialect that has no others: what `Target.options` holds."""

    stream: StreamMode | None = None


def is_streamed(mode: StreamMode | None, *, is_required: bool, is_advised: bool) -> bool:
    """Decide on a stream.

    Args:
        mode: What the LLM says; None is `Auto`.
        is_required: Whether the provider answers this request only as a stream.
        is_advised: Whether a whole reply to such a request was cut before.
    """
    match mode:
        case "Always":
            return True
        case "Never":
            return False
        case "Auto" | None:
            return is_required or is_advised
        case _:
            assert_never(mode)


def event_object(event: ServerSentEvent, usage: Usage) -> Mapping[str, Any]:
    """Return the object that an event carries; empty for other JSON.

    Args:
        usage: What the stream said of its usage before.

    Raises:
        InvalidAnswer: The event is not JSON.
    """
    try:
        return mapping(loads(event.data))
    except (ValueError, RecursionError) as error:
        text = "invalid answer: an event of the stream is not JSON"
        raise InvalidAnswer(text, usage=counted(usage)) from error


def cut_short(usage: Usage) -> ConnectionLost:
    """Return the failure of a stream that ended before the answer did.

    Args:
        usage: What the stream said of its usage.
    """
    return ConnectionLost("connection lost: the stream ended before the answer did", usage=counted(usage))
