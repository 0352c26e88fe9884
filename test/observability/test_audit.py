"""What the audit log says of runs on the real loops and engine, and of what it says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from kubechain.llm.errors import ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer, calls
from kubechain.observability.audit import Auditor
from test.controllers import world as worlds
from test.controllers.builders import a_call
from test.controllers.people import decide
from test.controllers.test_budgets import FIRST, working_world
from test.controllers.test_durability import is_over
from test.controllers.world import KEY, a_world

SECRET = "sk-0123456789abcdefghij"


class Kept:
    """Keeps the lines."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self._is_full = is_full

    def append(self, event: str, facts: dict[str, Any]) -> None:
        if self._is_full:
            raise OSError(28, "No space left on device")
        self.lines.append((event, facts))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]

    def only(self, event: str) -> dict[str, Any]:
        [facts] = [facts for one, facts in self.lines if one == event]
        return facts


def audited(monkeypatch: pytest.MonkeyPatch, kept: Kept) -> Kept:
    """Have the replicas of the test write there."""
    plain = worlds.clients_for

    def clients_for(*arguments: Any) -> Any:
        return replace(plain(*arguments), witnesses=(Auditor(kept),))

    monkeypatch.setattr(worlds, "clients_for", clients_for)
    return kept


async def test_each_prompt_answer_and_call_is_a_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = audited(monkeypatch, Kept())
    asked = calls(a_call("update_plan", '{"steps": []}'))
    async with a_world() as world:
        world.replica(FakeLLMClient(ServerFailed("503"), asked, answer(f"It is {SECRET}.")))
        await world.apply_walk_through(planning=True)
        await world.apply_task(message=f"Keep {SECRET}, please.")
        await world.until(is_over)
    assert kept.events == ["prompt", "answer", "prompt", "answer", "tool_call", "tool_result", "prompt", "answer"]
    failed, tool_call, last = kept.lines[1][1], kept.only("tool_call"), kept.lines[-1][1]
    assert (failed["error"], failed["llm"], failed["agent"]) == ("ServerFailed", "gpt-4o", "my-assistant")
    assert (tool_call["tool"], tool_call["arguments"]) == ("update_plan", '{"steps": []}')
    assert kept.only("tool_result")["end"] == "Succeeded"
    assert last["message"]["content"] == "It is [redacted]."
    assert kept.lines[0][1]["messages"][1]["content"] == "Keep [redacted], please."
    assert SECRET not in str(kept.lines)
    assert KEY not in str(kept.lines)


async def test_a_decision_is_a_line_with_who_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = audited(monkeypatch, Kept())
    async with working_world() as world:
        await decide(world, "Approve", FIRST, comment=f"Use {SECRET}")
        await world.until(is_over)
        await world.request_until(lambda request: request.status.decided_at is not None)
    decision = kept.only("decision")
    assert (decision["name"], decision["type"], decision["end"], decision["by"]) == (FIRST, "Budget", "Decided", "bob")
    assert decision["decision"]["choice"] == "Approve"
    assert decision["decision"]["comment"] == "Use [redacted]"


async def test_a_full_disk_ends_no_run_and_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    audited(monkeypatch, Kept(is_full=True))
    async with a_world() as world:
        world.replica(FakeLLMClient(answer("done")))
        await world.apply_walk_through()
        await world.apply_task()
        with capture_logs() as logged:
            run = await world.until(is_over)
    assert run.status.output == "done"
    lost = [line["event_lost"] for line in logged if line["log_level"] == "error"]
    assert lost == ["prompt", "answer"]
