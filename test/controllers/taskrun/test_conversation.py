"""The conversation as the status shows it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubechain import controllers
from kubechain.api.message import Message
from kubechain.api.meta import wire_name
from kubechain.api.taskruntoolcall import TaskRunToolCall, ToolCallPhase
from kubechain.controllers.taskrun import conversation
from kubechain.controllers.taskrun.conversation import Transcript


def test_previews_count_characters_and_stay_on_one_line() -> None:
    text = "日本語\n" * 30
    preview = Transcript((Message(role="user", content=text),)).preview
    assert len(preview) == 50
    assert "\n" not in preview


# --- only the transcript knows where the conversation is kept

NAMES = ("context_window", wire_name("context_window"))
PARTS_WITH_NAMES = ("attr", "arg", "id", "value")
"""Of nodes of the syntax tree: attributes, keywords, variables, strings."""

ROOT = Path(controllers.__path__[0])


def mentions(tree: ast.AST) -> Iterator[int]:
    """Lines that read, write or name the field; words in docstrings and messages are none."""
    for node in ast.walk(tree):
        if any(getattr(node, part, None) in NAMES for part in PARTS_WITH_NAMES):
            yield getattr(node, "lineno", 0)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        pytest.param("run.status.context_window", [1], id="it is read"),
        pytest.param("x = 1\nrun.with_status(context_window=())", [2], id="it is written by keyword"),
        pytest.param("{'context_window': ()}", [1], id="it is written by name"),
        pytest.param("getattr(status, 'context_window')", [1], id="it is read by name"),
        pytest.param("{'contextWindow': []}", [1], id="it is written as on the wire"),
        pytest.param("'the context_window is too large'", [], id="a sentence"),
    ],
)
def test_a_mention_is_found(source: str, lines: list[int]) -> None:
    assert list(mentions(ast.parse(source))) == lines


def test_only_the_transcript_touches_the_stored_conversation() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any(mentions(ast.parse(path.read_text(encoding="utf-8"))))
    }
    # where the window is a number of tokens
    facts_of_a_model = {"llm/retirement.py", "taskrun/contextsize.py"}
    assert found - facts_of_a_model == {"taskrun/conversation.py"}


# --- how a call ended


@pytest.mark.parametrize(
    ("phase", "is_error"),
    [
        (ToolCallPhase.SUCCEEDED, False),
        (ToolCallPhase.FAILED, True),
        (ToolCallPhase.TOOL_CALL_REJECTED, True),
        (ToolCallPhase.OUTCOME_UNKNOWN, True),
        (ToolCallPhase.CANCELLED, True),
    ],
)
def test_a_result_says_whether_the_call_did_what_was_asked(phase: ToolCallPhase, *, is_error: bool) -> None:
    spec = {"toolCallId": "c1", "taskRunRef": {"name": "run"}, "toolRef": {"name": "add"}}
    call = TaskRunToolCall.from_wire(
        {
            "metadata": {"name": "call", "namespace": "default"},
            "spec": spec,
            "status": {"phase": phase, "result": "7", "error": "no"},
        }
    )
    message = conversation.tool_message(call, "add")
    assert message.is_error == is_error
    assert ("isError" in message.to_wire()) == is_error
