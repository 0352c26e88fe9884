"""What the reason means that a provider gives for the end of an answer. Pure tables.

Servers have some fifty names for it. A known name decides; a name that nobody knows is read by the words in it, because
an answer that was stopped must never pass for a whole one.
"""

from __future__ import annotations

import re
from enum import Enum


class Finish(Enum):
    """Why an answer ends."""

    WHOLE = "the model had no more to say"
    CALLS = "the model waits for the results of its tool calls"
    LENGTH = "the token limit was reached"
    FILTERED = "the provider's content filter stopped it"
    MALFORMED = "the model wrote something that the server cannot read"
    FAILED = "the server stopped it"


_NAMES: dict[Finish, str] = {
    Finish.WHOLE: """stop end_turn stop_sequence eos eos_token end_of_text end complete completed done finished success
        unknown null none finish_reason_unspecified""",
    Finish.CALLS: "tool_calls tool_call tool_use function_call function_calls tools",
    Finish.LENGTH: """length max_tokens max_output_tokens max_new_tokens max_completion_tokens max_length model_length
        token_limit continuation context_length_exceeded model_context_window_exceeded repetition_truncation""",
    Finish.FILTERED: """content_filter content_filtered safety image_safety recitation image_recitation blocklist
        prohibited_content image_prohibited_content spii sensitive guardrail_intervened language refusal violation
        content_policy data_inspection_failed moderation escalation model_armor jailbreak pup_limited_disabled""",
    Finish.MALFORMED: """malformed_function_call malformed_response unexpected_tool_call invalid_tool_call
        too_many_tool_calls malformed_tool_use malformed_model_output missing_thought_signature""",
    Finish.FAILED: """error abort aborted insufficient_system_resource network_error cancelled canceled timeout other
        server_error interrupted no_image image_other pause_turn""",
}
_FINISH_OF_NAME = {name: finish for finish, names in _NAMES.items() for name in names.split()}

_WORDS: tuple[tuple[Finish, re.Pattern[str]], ...] = (
    (Finish.MALFORMED, re.compile(r"malformed|unparsable|invalid|unexpected|unreadable")),
    (
        Finish.FAILED,
        re.compile(r"err(or|$)|abort|fail|cancel|time_?out|resource|interrupt|unavailable|overload|disconnect"),
    ),
    (
        Finish.FILTERED,
        re.compile(r"filter|safety|sensitive|block|prohibit|policy|violat|moderat|guardrail|refus|censor"),
    ),
    (Finish.LENGTH, re.compile(r"length|limit|max|trunc|exceed|incomplete|window")),
)


def is_known(name: str) -> bool:
    """Whether a finish reason is decided by its name, not by the words in it."""
    return _plain(name) in _FINISH_OF_NAME


def finish_of(name: str) -> Finish:
    """Return what a provider's finish reason means; no reason is that of a whole answer."""
    plain = _plain(name)
    known = _FINISH_OF_NAME.get(plain)
    if known is not None:
        return known
    return next((finish for finish, pattern in _WORDS if pattern.search(plain)), Finish.WHOLE)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
