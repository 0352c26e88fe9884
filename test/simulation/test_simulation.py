"""A small part of the simulation, for every run of the tests; `make test-simulation` does all of it."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from test.simulation import mutants
from test.simulation.explore import Case, examine
from test.simulation.invariants import STILL
from test.simulation.loop import Livelock, SeededLoop
from test.simulation.plans import POINT_FAULTS, RANDOM_FAULTS, REFERENCE, Fault, Plan, parse
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate

SEED = 11


def _fixed() -> list[Case]:
    lines = (Path(__file__).parent / "regressions" / "fixed.txt").read_text().splitlines()
    found = [line.partition("|")[0].split() for line in lines if line and not line.startswith("#")]
    return [Case(scenario, parse(plan), int(seed)) for scenario, plan, seed in found]


def _holds(case: Case) -> None:
    failure = examine(case, simulate(BY_NAME[case.scenario], REFERENCE, case.seed))
    assert failure is None, str(failure)


@pytest.mark.parametrize("name", BY_NAME)
def test_without_faults_every_story_ends_as_it_should_and_converges(name: str) -> None:
    assert simulate(BY_NAME[name], REFERENCE, SEED).violations == ()


@pytest.mark.parametrize("name", [name for name, scenario in BY_NAME.items() if "chaos" in scenario.faults])
def test_random_faults_change_nothing_about_the_end(name: str) -> None:
    _holds(Case(name, Plan("chaos", 0), SEED))


@pytest.mark.parametrize("fault", [*POINT_FAULTS, *RANDOM_FAULTS, "freeze", "cut", "stale"])
def test_a_plan_can_be_written_down_and_read_again(fault: Fault) -> None:
    assert parse(str(Plan(fault, 7))) == Plan(fault, 7)


@pytest.mark.parametrize("text", ["none-1", "before", "chaos", "before-x", "luck-3", ""])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none"):
        parse(text)


@pytest.mark.parametrize("fault", POINT_FAULTS)
def test_every_point_of_a_run_with_a_tool_call_survives(fault: str) -> None:
    reference = simulate(BY_NAME["one-tool-call"], REFERENCE, SEED)
    for at in range(len(reference.points)):
        failure = examine(Case("one-tool-call", parse(f"{fault}-{at}"), SEED), reference)
        assert failure is None, str(failure)


@pytest.mark.parametrize("case", _fixed(), ids=lambda case: f"{case.scenario} {case.plan} {case.seed}")
def test_what_was_fixed_stays_fixed(case: Case) -> None:
    _holds(case)


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        pytest.param("plain", 2, id="a run without tools costs two writes"),
        pytest.param("one-tool-call", 7, id="a call that acts outside adds five, its creation included"),
        pytest.param("two-turns", 12, id="so does each turn with one such call"),
        pytest.param("parallel-calls", 13, id="a turn of three such calls adds two and three for each"),
        pytest.param("builtin", 6, id="a builtin adds four"),
        pytest.param("parallel-builtins", 10, id="a turn of three builtins adds two and two for each"),
        pytest.param(
            "approved", 11, id="an approval adds four to those of a call, what becomes of the request included"
        ),
        pytest.param("builtin-and-endpoint", 14, id="a turn with a call of each sort, and another one"),
    ],
)
def test_a_run_costs_as_many_writes_as_its_budget_says(name: str, writes: int) -> None:
    """Without the release of the calls' objects: runs do not wait for it, and their deletion costs one write less."""
    counted = simulate(BY_NAME[name], REFERENCE, SEED).writes
    statuses = sum(count for label, count in counted.items() if _is_of_a_run(label, "WRITE"))
    made = ("CREATE taskruntoolcalls", "CREATE humanrequests")
    created = sum(count for label, count in counted.items() if label.startswith(made))
    assert statuses + created == writes


def _is_of_a_run(label: str, verb: str) -> bool:
    """Neither the release of a call's object, nor what the person writes into the request."""
    is_other = ("taskruntoolcalls/" in label or "humanrequests/" in label) and label.endswith(STILL)
    return label.startswith((f"{verb} taskrun", f"{verb} humanrequest")) and not is_other


def test_a_result_that_the_api_server_cannot_hold_is_cut_and_kept() -> None:
    outcome = simulate(BY_NAME["unstorable-result"], REFERENCE, SEED)
    status = outcome.state["taskruntoolcalls/hello-1-t0-c0"]["status"]
    assert status["phase"] == "Succeeded"
    assert status["result"].endswith("bytes left out: the result is over the limit]")
    assert outcome.violations == ()


def test_equal_seeds_give_equal_runs_and_other_seeds_other_orders() -> None:
    plan = Plan("chaos", 0)
    first, again = (simulate(BY_NAME["one-tool-call"], plan, SEED) for _ in range(2))
    assert (first.points, first.steps, first.state) == (again.points, again.steps, again.state)
    orders = {simulate(BY_NAME["parallel-calls"], REFERENCE, seed).points for seed in range(4)}
    assert len(orders) > 1


@pytest.mark.parametrize("mutant", mutants.ALL, ids=lambda mutant: mutant.name)
def test_code_that_breaks_the_promise_is_caught(mutant: mutants.Mutant) -> None:
    failure, _ = mutants.catch(mutant)
    assert failure is not None


def test_a_story_that_breaks_off_leaves_nothing_for_the_garbage_collector() -> None:
    loop = SeededLoop(0)

    async def break_off() -> None:
        for _ in range(3):
            tasks.append(asyncio.create_task(asyncio.Queue[None]().get()))
        await asyncio.sleep(1)
        raise Livelock

    tasks: list[asyncio.Task[None]] = []
    loop.set_exception_handler(lambda _, context: None)  # that tasks were pending is what this is about
    with pytest.raises(Livelock):
        loop.run_until_complete(break_off())
    loop.abandon()
    loop.close()
    tasks.clear()
    gc.collect()
