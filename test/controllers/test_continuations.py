"""Runs that continue others: nothing of a conversation is lost, whether runs are deleted or a manager is killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.controllers.continued import LOOK_AGAIN_SECONDS
from kubechain.controllers.retrylimit import DEFAULT_RETRY_FOR_SECONDS
from kubechain.controllers.taskrun.chunkstore import ChunkCache, ChunkStore
from kubechain.llm.fake import FakeLLMClient, answer, calls
from test.controllers.builders import a_call
from test.controllers.test_durability import is_over
from test.controllers.test_tool_turns import ADD
from test.controllers.world import NAMESPACE, Harm, Point, World, a_world

LONG = 400_000
"""Characters of an answer; three of them are more than one object holds."""


def run_of(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"agentRef": {"name": "my-assistant"}} | spec}


def continuing(name: str, source: str, text: str | None = "And more?", **spec: Any) -> dict[str, Any]:
    asked = {} if text is None else {"userMessage": text}
    return run_of(name, continueFrom={"name": source}, **asked, **spec)


async def whole(world: World, run: TaskRun) -> list[Message]:
    """The conversation of a run, with what is in its chunks."""
    earlier = await ChunkStore(world.client, ChunkCache()).messages(run)
    return [*earlier, *run.status.context_window]


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


async def deleted(world: World, name: str) -> None:
    """Delete a run with its chunks, as the garbage collector does."""
    await world.client.delete(resources.TASK_RUNS, NAMESPACE, name)
    for chunk in await world.client.list(resources.CONTEXT_CHUNKS, NAMESPACE):
        if chunk.spec.task_run_ref.name == name:
            await world.client.delete(resources.CONTEXT_CHUNKS, NAMESPACE, chunk.metadata.name)


async def test_a_conversation_larger_than_an_object_is_continued_after_its_runs_are_deleted() -> None:
    said = [letter * LONG for letter in "abcd"]
    model = FakeLLMClient(*map(answer, said), answer("last"))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        await world.apply("taskruns", run_of("r0", userMessage="Go."))
        run = await world.until(is_over, "r0")
        for number in range(4):
            await world.apply("taskruns", continuing(f"r{number + 1}", f"r{number}"))
            run = await world.until(is_over, f"r{number + 1}")
            await deleted(world, f"r{number}")
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert run.status.chunks is not None
        assert run.status.chunks.size_bytes > 1_500_000
        assert run.status.message_count == 2 + 4 + 4 + 1
        expected = ["You are helpful.", "Go."]
        for text in said:
            expected += [text, "And more?"]
        assert texts(await whole(world, run)) == [*expected, "last"]
        assert texts(list(model.calls[-1].messages)) == expected
        assert run.status.turn == 1


async def test_a_run_that_goes_on_is_waited_for_and_its_end_wakes_the_next() -> None:
    model = FakeLLMClient(answer("It has none."), answer("None."))
    model.hold()
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        await world.apply("taskruns", run_of("first", userMessage="Go."))
        await world.apply("taskruns", continuing("more", "first"))
        run = await world.until(lambda run: bool(run.status.status_detail), "more")
        assert run.status.status_detail == 'Waiting for TaskRun "first" to end'
        model.release()
        run = await world.until(is_over, "more")
        assert texts(await whole(world, run))[1:] == ["Go.", "It has none.", "And more?", "None."]
        assert run.status.continued_from is not None
        assert run.status.continued_from.uid == (await world.run("first")).metadata.uid


HARMS: list[Harm] = ["request lost", "reply lost", "crash before", "crash after", "409", "429", "500"]


@pytest.mark.parametrize("harm", HARMS)
async def test_what_breaks_at_the_first_write_neither_loses_nor_doubles_a_message(harm: Harm) -> None:
    model = FakeLLMClient(answer("x" * LONG), answer("last"))
    async with a_world() as world:
        replica = world.replica(model)
        await world.apply_walk_through()
        await world.apply("taskruns", run_of("first", userMessage="Go."))
        first = await world.until(is_over, "first")
        replica.exchange.points.append(Point("SendContextWindowToLLM", harm))
        await world.apply("taskruns", continuing("more", "first"))
        if harm.startswith("crash"):
            await replica.crashed.wait()
            world.replica(model, "pod-a_2")
        run = await world.until(is_over, "more")
        assert run.status.phase == TaskRunPhase.FINAL_ANSWER
        assert (await whole(world, run))[:3] == await whole(world, first)
        assert texts(await whole(world, run))[3:] == ["And more?", "last"]


async def test_calls_of_an_earlier_run_and_of_this_one_have_ids_of_their_own() -> None:
    twice = calls(a_call("add", '{"a": 2, "b": 3}'))
    model = FakeLLMClient(twice, answer("five"), twice, answer("five again"))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through(tools=[{"name": "add"}])
        await world.apply("tools", {"metadata": {"name": "add"}, "spec": ADD})
        await world.apply("taskruns", run_of("first", userMessage="Go."))
        await world.until(is_over, "first")
        await world.apply("taskruns", continuing("more", "first"))
        run = await world.until(is_over, "more")
        asked = [call.id for message in await whole(world, run) for call in message.tool_calls]
        assert len(asked) == len(set(asked)) == 2
        made = await world.client.list(resources.TOOL_CALLS, NAMESPACE)
        assert sorted(call.metadata.name for call in made) == ["first-t0-c0", "more-t0-c0"]


async def test_a_run_fails_in_the_end_where_the_one_that_it_continues_never_comes() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer("never")))
        await world.apply_walk_through()
        await world.apply("taskruns", continuing("more", "nobody"))
        run = await world.until(lambda run: bool(run.status.status_detail), "more")
        assert run.status.status == "Error"
        assert run.status.status_detail.startswith('Waiting for TaskRun "nobody" of spec.continueFrom')
        await asyncio.sleep(DEFAULT_RETRY_FOR_SECONDS)  # of virtual time, in one go
        run = await world.until(is_over, "more")
        assert run.status.phase == TaskRunPhase.FAILED
        assert "does not exist" in (run.status.error or "")


async def test_runs_that_continue_from_each_other_fail() -> None:
    async with a_world() as world:
        await world.apply_walk_through()
        for name, source in (("a", "b"), ("b", "c"), ("c", "a")):
            await world.apply("taskruns", continuing(name, source))
        world.replica(FakeLLMClient(answer("never")))
        for name in "abc":
            assert (await world.until(is_over, name)).status.phase == TaskRunPhase.FAILED


async def test_a_run_with_an_llm_of_its_own_is_tried_again_while_that_of_its_agent_is_refused() -> None:
    model = FakeLLMClient(answer("It has none."), answer("None, I say."))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        await world.apply_task()
        await world.until(is_over)
        llm = await world.client.get(resources.LLMS, NAMESPACE, "gpt-4o")
        await world.apply("llms", {"metadata": {"name": "other"}, "spec": llm.spec.to_wire()})
        await world.client.delete(resources.LLMS, NAMESPACE, "gpt-4o")
        await world.agent_until(lambda agent: agent.status.status == "Error")
        again = run_of("again", continueFrom={"name": "hello-1", "beforeTurn": 1}, llmRef={"name": "other"})
        await world.apply("taskruns", again)
        run = await world.until(is_over, "again")
        assert run.status.output == "None, I say."
        assert run.status.pinned is not None
        assert run.status.pinned.llm_name == "other"
        assert texts(await whole(world, run))[1:] == ["What is the capital of the moon?", "None, I say."]


async def is_there(world: World, name: str) -> bool:
    return any(run.metadata.name == name for run in await world.client.list(resources.TASK_RUNS, NAMESPACE))


async def continued_by_an_agent_of_tomorrow(world: World, source: str) -> None:
    """A run that cannot begin yet, since its Agent does not exist."""
    spec = {"agentRef": {"name": "tomorrow"}, "userMessage": "And more?", "continueFrom": {"name": source}}
    await world.apply("taskruns", {"metadata": {"name": "more"}, "spec": spec})
    await world.until(lambda run: "tomorrow" in run.status.status_detail, "more")


async def tomorrow(world: World) -> TaskRun:
    """The Agent is there at last; how the run has ended that waited for it."""
    spec = {"llmRef": {"name": "gpt-4o"}, "system": "You are helpful."}
    await world.apply("agents", {"metadata": {"name": "tomorrow"}, "spec": spec})
    return await world.until(is_over, "more")


async def test_a_run_that_another_one_waits_to_continue_outlives_its_time() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer("It has none."), answer("last")))
        await world.apply_walk_through()
        await world.apply("taskruns", run_of("first", userMessage="Go.", ttlSecondsAfterFinished=60))
        await world.until(is_over, "first")
        await continued_by_an_agent_of_tomorrow(world, "first")
        await asyncio.sleep(3_600)
        assert await is_there(world, "first")
        run = await tomorrow(world)
        assert texts(await whole(world, run))[1:] == ["Go.", "It has none.", "And more?", "last"]
        await asyncio.sleep(LOOK_AGAIN_SECONDS + 1)
        assert not await is_there(world, "first")


async def test_a_run_that_another_one_waits_to_continue_is_kept_beyond_the_limit_of_its_task() -> None:
    async with a_world() as world:
        world.replica(FakeLLMClient(answer("It has none."), answer("Still none."), answer("last")))
        await world.apply_walk_through()
        await world.apply_task(historyLimit={"succeeded": 1})
        await world.until(is_over)
        await continued_by_an_agent_of_tomorrow(world, "hello-1")
        await world.apply("taskruns", {"metadata": {"name": "hello-2"}, "spec": {"taskRef": {"name": "hello"}}})
        await world.until(is_over, "hello-2")
        await asyncio.sleep(3_600)
        assert await is_there(world, "hello-1")
        run = await tomorrow(world)
        assert texts(await whole(world, run))[-3:] == ["It has none.", "And more?", "last"]
        await asyncio.sleep(LOOK_AGAIN_SECONDS + 1)
        assert not await is_there(world, "hello-1")
