"""Circuits of replicas that share the runs: the leader, which writes the status of an LLM, hears of those of others."""

from __future__ import annotations

import asyncio

import pytest

from kubechain.api import conditions
from kubechain.api.llm import LLM
from kubechain.controllers import circuits, resources
from kubechain.controllers.circuits import ANNOTATION, OpenCircuits
from kubechain.llm.errors import ServerFailed
from kubechain.llm.fake import FakeLLMClient, answer
from kubechain.runtime.keys import Request
from kubechain.runtime.manager import Election, Options
from kubechain.runtime.sources import Trigger
from test.controllers.test_durability import is_over
from test.controllers.world import NAMESPACE, World, a_world

LLM_KEY = Request("default", "gpt-4o")
OPTIONS = Options(election=Election(namespace=NAMESPACE), shards=True)


class Board:
    """Other replicas, as far as a test says what they say."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.heard: list[str] = []
        self._listen = lambda: None

    def note(self, name: str, text: str) -> None:
        assert name == ANNOTATION
        self.said.append(text)

    def notes(self, name: str) -> list[str]:
        assert name == ANNOTATION
        return self.heard

    def when_noted(self, act: object) -> None:
        assert callable(act)
        self._listen = act

    def hear(self, *texts: str) -> None:
        self.heard = list(texts)
        self._listen()


def a_pair() -> tuple[Board, OpenCircuits, list[Request]]:
    board, trigger, looked_at = Board(), Trigger(), list[Request]()
    trigger.feed(looked_at.append)
    return board, OpenCircuits(trigger, board), looked_at


def test_a_circuit_that_opens_or_closes_is_told_to_the_others() -> None:
    board, found, _ = a_pair()
    found.opened(LLM_KEY, "overloaded")
    found.closed(LLM_KEY)
    found.closed(LLM_KEY)
    assert [circuits.read(text) for text in board.said] == [{LLM_KEY: "overloaded"}, {}]


def test_a_circuit_of_another_replica_is_open_until_that_one_closes_it() -> None:
    board, found, looked_at = a_pair()
    board.hear(circuits.written({LLM_KEY: "overloaded"}))
    assert (found.get(LLM_KEY), looked_at) == ("overloaded", [LLM_KEY])
    board.hear(circuits.written({LLM_KEY: "overloaded"}))
    assert looked_at == [LLM_KEY], "nothing is new"
    board.hear()
    assert (found.get(LLM_KEY), looked_at) == (None, [LLM_KEY, LLM_KEY])


def test_a_circuit_is_closed_when_it_is_closed_everywhere() -> None:
    board, found, _ = a_pair()
    found.opened(LLM_KEY, "mine")
    board.hear(circuits.written({LLM_KEY: "theirs"}))
    assert found.get(LLM_KEY) == "mine"
    found.closed(LLM_KEY)
    assert found.get(LLM_KEY) == "theirs"


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"a": 1}', '{"no-namespace": "x"}', '{"a/b/c": "x"}'])
def test_what_cannot_be_read_tells_of_no_circuit(text: str) -> None:
    assert circuits.read(text) == {}


async def until_told(world: World, *, is_open: bool) -> LLM:
    async with asyncio.timeout(600):
        while True:
            llm = await world.client.get(resources.LLMS, NAMESPACE, "gpt-4o")
            if conditions.is_true(llm.status.conditions, conditions.CIRCUIT_OPEN) is is_open:
                return llm
            await asyncio.sleep(1)


async def test_the_circuit_of_a_replica_that_does_not_lead_is_in_the_status_of_the_llm() -> None:
    healthy, failing = FakeLLMClient(answer("done")), FakeLLMClient(ServerFailed("overloaded", http_status=503))
    async with a_world() as world:
        await world.apply_walk_through()
        leader = world.replica(healthy, "pod-a_1", options=OPTIONS)
        await asyncio.sleep(5)
        assert leader.manager.leads
        follower = world.replica(failing, "pod-b_1", options=OPTIONS)
        await asyncio.sleep(20)
        spec = {"agentRef": {"name": "my-assistant"}, "userMessage": "What is the capital of the moon?"}
        for number in range(20):
            await world.apply("taskruns", {"metadata": {"name": f"run-{number}"}, "spec": spec})
        told = await until_told(world, is_open=True)
        condition = conditions.find_condition(told.status.conditions, conditions.CIRCUIT_OPEN)
        assert condition is not None
        assert "overloaded" in condition.message
        follower.crash()
        await until_told(world, is_open=False)
        for number in range(20):
            await world.until(is_over, f"run-{number}")
