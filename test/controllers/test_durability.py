"""The promise, point by point: no write, reply or process can be lost so that a run is lost, stuck or doubled."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.llm import errors
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.world import Harm, Point, Refusal, World, a_world

W_POINTS = ("SendContextWindowToLLM", "FinalAnswer")
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)
SURVIVABLE: tuple[Harm, ...] = ("request lost", "reply lost", "409", "429", "500", "503", *REFUSALS)


def is_over(run: TaskRun) -> bool:
    return run.status.phase is not None and run.status.phase.is_terminal


def assert_one_whole_conversation(run: TaskRun) -> None:
    assert run.status.phase == TaskRunPhase.FINAL_ANSWER
    assert [message.role for message in run.status.context_window] == ["system", "user", "assistant"]
    assert run.status.output == "It has none."


async def started(world: World, model: FakeLLMClient, *points: Point) -> None:
    replica = world.replica(model)
    replica.exchange.points.extend(points)
    await world.apply_walk_through()
    await world.apply_task()


async def test_a_run_without_tools_costs_its_creation_and_two_writes() -> None:
    async with a_world() as world:
        await started(world, FakeLLMClient(answer("It has none.")))
        assert_one_whole_conversation(await world.until(is_over))
        writes = world.replicas[0].exchange.writes
        assert [line.split()[0] for line in writes if "/taskruns" in line] == ["POST", "PUT", "PUT"]


@pytest.mark.parametrize("harm", SURVIVABLE)
@pytest.mark.parametrize("phase", W_POINTS)
async def test_a_failed_write_changes_nothing_about_the_outcome(phase: str, harm: Harm) -> None:
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        point = Point(phase, harm)
        await started(world, model, point)
        assert_one_whole_conversation(await world.until(is_over))
        assert point.hits == 1
        # Only a claim whose fate is unknown is made again; an answer that was paid for is never asked for twice.
        assert len(model.calls) == 1


@pytest.mark.parametrize("harm", ["request lost", "reply lost", "503", *REFUSALS])
async def test_an_answer_is_kept_through_an_outage_of_the_api_server(harm: Harm) -> None:
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        await started(world, model, Point("FinalAnswer", harm, times=20))
        assert_one_whole_conversation(await world.until(is_over))
        assert len(model.calls) == 1


@pytest.mark.parametrize("harm", ["crash before", "crash after"])
@pytest.mark.parametrize("phase", W_POINTS)
@pytest.mark.parametrize("successor", ["pod-a_2", "pod-b_2"])
async def test_the_next_manager_finishes_what_a_dead_one_left(phase: str, harm: Harm, successor: str) -> None:
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        await started(world, model, Point(phase, harm))
        await world.replicas[0].crashed.wait()
        world.replica(model, successor)
        assert_one_whole_conversation(await world.until(is_over))
        assert len(model.calls) <= 2


@pytest.mark.parametrize("harm", ["413", *REFUSALS])
async def test_an_answer_that_the_server_refuses_for_good_is_recorded_and_never_asked_for_again(harm: Harm) -> None:
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        await started(world, model, Point("FinalAnswer", harm, times=99_999))
        await asyncio.sleep(4_000)
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.FAILED
        assert f"injected {harm}" in (run.status.error or "")
        assert len(run.status.context_window) == 2
        assert len(model.calls) == 1


async def test_a_provider_that_fails_for_a_while_costs_time_and_nothing_else() -> None:
    script = [errors.ServerFailed("openai: 503"), errors.RateLimited("openai: 429", retry_after_seconds=60)]
    model = FakeLLMClient(*script, errors.TimedOut("openai: slow"), answer("It has none."))
    async with a_world() as world:
        await started(world, model)
        assert_one_whole_conversation(await world.until(is_over))
        assert len(model.calls) == 4


async def test_empty_answers_end_the_run_with_a_recorded_error() -> None:
    model = FakeLLMClient(errors.InvalidAnswer("openai: empty answer"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert (run.status.phase, run.status.error) == (TaskRunPhase.FAILED, "openai: empty answer (5 times)")
        assert len(model.calls) == 5


async def test_an_empty_answer_after_a_long_outage_is_tried_again() -> None:
    outage = [errors.ServerFailed("openai: 503")] * 9
    model = FakeLLMClient(*outage, errors.InvalidAnswer("openai: empty answer"), answer("It has none."))
    async with a_world() as world:
        await started(world, model)
        assert_one_whole_conversation(await world.until(is_over))


async def test_a_refused_key_fails_the_run_and_puts_the_llm_in_doubt() -> None:
    model = FakeLLMClient(errors.AuthenticationFailed("openai: 401: key refused"))
    async with a_world() as world:
        await started(world, model)
        run = await world.until(is_over)
        assert (run.status.phase, run.status.error) == (TaskRunPhase.FAILED, "openai: 401: key refused")
        await model.wait_for_checks(2)


async def test_cancelling_a_run_stops_its_model_call_at_once() -> None:
    model = FakeLLMClient(answer("It has none."))
    model.hold()
    async with a_world() as world:
        await started(world, model)
        await model.wait_for_calls(1)
        path = "/apis/kubechain.humanlayer.dev/v1alpha1/namespaces/default/taskruns/hello-1"
        headers = {"accept": "application/json", "content-type": "application/merge-patch+json"}
        await world.client.request("PATCH", path, headers=headers, body=b'{"spec":{"cancel":true}}')
        run = await world.until(is_over)
        assert run.status.phase == TaskRunPhase.CANCELLED
        assert [message.role for message in run.status.context_window] == ["system", "user"]


async def test_a_run_whose_model_does_not_answer_ends_at_its_deadline() -> None:
    model = FakeLLMClient(answer("too late"))
    model.hold()
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        await world.apply_task(activeDeadlineSeconds=30)
        run = await world.until(is_over)
        assert (run.status.phase, run.status.error) == ("Failed", "the run took longer than 30 seconds")


async def test_two_managers_at_once_give_one_answer() -> None:
    model = FakeLLMClient(answer("It has none."))
    async with a_world() as world:
        world.replica(model, "pod-a_1")
        world.replica(model, "pod-b_2")
        await world.apply_walk_through()
        await world.apply_task()
        assert_one_whole_conversation(await world.until(is_over))


async def test_no_byte_of_the_key_is_stored_anywhere_but_in_its_secret() -> None:
    async with a_world() as world:
        await started(world, FakeLLMClient(errors.RequestRefused("openai: 400"), answer("It has none.")))
        await world.until(is_over)
        for plural in ("llms", "agents", "tasks", "taskruns"):
            path = f"/apis/kubechain.humanlayer.dev/v1alpha1/{plural}"
            assert b"sk-canary" not in await world.client.request("GET", path)
        assert b"sk-canary" not in await world.client.request("GET", "/api/v1/events")
