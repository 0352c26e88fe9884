"""An LLM that cannot answer, and another one that answers in its place."""

from __future__ import annotations

from kubechain.api.taskrun import TaskRunPhase
from kubechain.llm.errors import AuthenticationFailed, RequestRefused, ServerFailed
from test.simulation.fakes import asks
from test.simulation.outside import Stage
from test.simulation.scenarios import objects
from test.simulation.scenarios.scenario import Scenario
from test.simulation.scenarios.tools import ANSWERS, PARIS

DOWN = ServerFailed("overloaded", http_status=503)


def _repair(stage: Stage) -> None:
    """The provider of the first LLM works again."""
    stage.outside.failing.clear()


ALL: tuple[Scenario, ...] = (
    Scenario(name="fallback", arrange=objects.with_fallback(), failing={"gpt-4o": DOWN}),
    Scenario(
        name="fallback-key-refused",
        arrange=objects.with_fallback(),
        failing={"gpt-4o": AuthenticationFailed("key refused", http_status=401)},
    ),
    Scenario(
        name="fallback-and-back",
        arrange=objects.with_fallback("weather"),
        script=asks([("weather", PARIS)]),
        answers=ANSWERS,
        failing={"gpt-4o": DOWN},
        during={"tool weather": _repair},
    ),
    Scenario(
        name="fallback-refused",
        arrange=objects.with_fallback(),
        failing={"gpt-4o": RequestRefused("this is wrong", http_status=400)},
        ends={"hello-1": TaskRunPhase.FAILED},
    ),
    Scenario(
        name="rivals-fallback",
        arrange=objects.with_fallback(),
        failing={"gpt-4o": DOWN},
        managers=2,
        elects=False,
    ),
)
