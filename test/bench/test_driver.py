"""What the benches count, where a wrong count would look like a good one."""

from __future__ import annotations

from typing import Any

from bench.driver import out_of_order


def event(name: str, version: int, second: int) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": str(version)},
        "regarding": {"kind": "TaskRun", "name": name},
        "eventTime": f"2026-01-01T00:00:{second:02}.000000Z",
    }


def test_events_that_were_stored_as_they_happened_are_in_order() -> None:
    assert out_of_order([event("a", 10, 2), event("a", 9, 1), event("b", 11, 0), event("b", 12, 0)]) == set()


def test_an_event_that_was_stored_before_an_earlier_one_is_found_with_its_object() -> None:
    assert out_of_order([event("a", 9, 2), event("a", 10, 1), event("b", 11, 0)]) == {("TaskRun", "a")}
