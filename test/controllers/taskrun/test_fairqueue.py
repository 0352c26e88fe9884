"""The agents take turns: what that promises each of them, whatever comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubechain.controllers.taskrun.fairqueue import FairQueue, Waiting
from kubechain.runtime.keys import Request

AGENTS = st.sampled_from(["a", "b", "c", "d"])
MOVES = st.lists(st.one_of(AGENTS, st.none()), max_size=60)
"""An agent queues another run, or the next run goes."""


def a_run(name: str) -> Request:
    return Request("default", name)


def agent_of(run: Request) -> str:
    return run.name.partition("-")[0]


def play(moves: list[str | None]) -> tuple[FairQueue, list[tuple[Request, list[Request]]]]:
    """The queue after some moves, and each run that went, with those that waited when it went."""
    queue, went = FairQueue(), list[tuple[Request, list[Request]]]()
    for number, agent in enumerate(moves):
        if agent is not None:
            queue.add(a_run(f"{agent}-{number}"), agent, Waiting(float(number)))
        elif len(queue):
            waiting = list(queue)
            went.append((queue.pop(), waiting))
    return queue, went


@given(MOVES)
def test_no_agent_goes_twice_while_another_one_waits(moves: list[str | None]) -> None:
    _, went = play(moves)
    for position, (first, waiting) in enumerate(went):
        for later in range(position + 1, len(went)):
            if agent_of(went[later][0]) != agent_of(first):
                continue
            between = {agent_of(run) for run, _ in went[position + 1 : later]}
            others = {agent_of(run) for run in waiting} - {agent_of(first)}
            assert others <= between
            break


@given(MOVES)
def test_the_runs_of_an_agent_go_in_their_order_and_none_is_lost(moves: list[str | None]) -> None:
    queue, went = play(moves)
    gone = [run for run, _ in went]
    for agent in "abcd":
        expected = [a_run(f"{agent}-{number}") for number, one in enumerate(moves) if one == agent]
        assert [run for run in (*gone, *queue) if agent_of(run) == agent] == expected
    assert len(queue) == len(list(queue))


@given(MOVES)
def test_the_place_that_is_told_is_the_one_where_the_run_goes(moves: list[str | None]) -> None:
    queue, _ = play(moves)
    expected = list(queue)
    assert [queue.ahead(run) for run in expected] == list(range(len(expected)))
    assert [queue.pop() for _ in expected] == expected
    assert queue.first is None


def test_a_run_that_asks_again_keeps_its_place() -> None:
    queue = FairQueue()
    for name in ("a-1", "a-2", "a-1"):
        queue.add(a_run(name), "a", Waiting(0.0))
    assert list(queue) == [a_run("a-1"), a_run("a-2")]
    assert queue.ahead(a_run("b-1")) == 0


@given(MOVES, st.data())
def test_a_run_that_is_taken_out_moves_up_the_others_of_its_agent_alone(
    moves: list[str | None], data: st.DataObject
) -> None:
    queue, _ = play(moves)
    before = list(queue)
    if not before:
        assert not queue.remove(a_run("a-0"))
        return
    out = data.draw(st.sampled_from(before))
    assert queue.remove(out)
    assert not queue.remove(out)
    assert len(queue) == len(before) - 1
    for agent in "abcd":
        expected = [run for run in before if agent_of(run) == agent and run != out]
        assert [run for run in queue if agent_of(run) == agent] == expected
