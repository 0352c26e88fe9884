"""Runs without tools: the model, its key, and what people do meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.errors import InvalidAnswer, RateLimited, ServerFailed, Unreachable
from test.simulation.fakes import asks, says
from test.simulation.scenarios import objects, people
from test.simulation.scenarios.scenario import Scenario

ONE_SLOT_ENDS: Mapping[str, TaskRunPhase | None] = dict.fromkeys(
    ("hello-1", "again", "once-more"), TaskRunPhase.FINAL_ANSWER
)

ALL: tuple[Scenario, ...] = (
    Scenario(name="plain", arrange=objects.plain()),
    Scenario(
        name="rerun",
        arrange=objects.asked_twice,
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER, "again": TaskRunPhase.FINAL_ANSWER},
    ),
    Scenario(
        name="one-slot",
        arrange=objects.one_slot,
        ends=ONE_SLOT_ENDS,
        is_crowded=True,
    ),
    Scenario(
        name="cancel-model-call",
        arrange=objects.plain(),
        during={"model": people.cancel()},
        ends={"hello-1": TaskRunPhase.CANCELLED},
    ),
    Scenario(
        name="run-deleted",
        arrange=objects.plain(),
        during={"model": people.delete_run},
        ends={"hello-1": None},
    ),
    Scenario(
        name="agent-deleted",
        arrange=objects.plain(),
        during={"model": people.delete("agents", "my-assistant")},
    ),
    Scenario(name="agent-edited", arrange=objects.plain(), during={"model": people.edit_agent}),
    Scenario(name="secret-rotated", arrange=objects.plain(), during={"model": people.rotate_key}),
    Scenario(name="secret-comes-late", arrange=objects.without_key, later={30.0: people.bring_key}),
    Scenario(
        name="secret-rotated-by-name",
        arrange=objects.endpoints("book"),
        script=asks([("book", '{"city": "Paris"}')]),
        answers={"book": lambda arguments: f"Booked {arguments['city']}"},
        during={"model": people.rotate_key},
        watches_secrets=False,
    ),
    Scenario(
        name="secret-comes-late-by-name",
        arrange=objects.without_key,
        later={30.0: people.bring_key},
        watches_secrets=False,
    ),
    Scenario(name="steering", arrange=objects.plain(), during={"model": people.steer}, is_timed=True),
    Scenario(
        name="model-trouble",
        arrange=objects.plain(),
        hiccups={
            "model": (
                RateLimited("rate limited", http_status=429, retry_after_seconds=30.0),
                ServerFailed("overloaded", http_status=503),
                Unreachable("connection refused"),
                InvalidAnswer("an empty answer"),
            )
        },
    ),
    Scenario(
        name="deadline",
        arrange=objects.plain(activeDeadlineSeconds=200),
        slow=("model",),
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    Scenario(name="expiry", arrange=objects.plain(ttlSecondsAfterFinished=20), ends={"hello-1": None}),
    Scenario(
        name="window-full",
        arrange=objects.plain(),
        script=says("answer " * 200_000),
        ends={"hello-1": TaskRunPhase.FINAL_ANSWER},
        faults=("errors", "chaos"),
    ),
)
