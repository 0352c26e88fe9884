"""Finalizers of others, put on and taken off while we write, under conflicts and lost replies.

None is lost, none comes back, and ours goes once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubechain.api import names
from kubechain.api.meta import KubeObject
from kubechain.controllers import resources
from kubechain.llm.client import Completion
from kubechain.llm.fake import Call, FakeLLMClient, answer, calls
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import ApiError, NotFound, TransportError
from kubechain.runtime.resource import Resource
from kubechain.runtime.transport import Exchange, Reply, StreamReply
from test.controllers.builders import a_call
from test.controllers.world import NAMESPACE, World, a_world
from test.examples import examples
from test.runtime.fake_apiserver import failure
from test.runtime.virtual_time import VirtualTimeLoop

KINDS: tuple[Resource[Any], ...] = (
    resources.TOOL_CALLS,
    resources.TASK_RUNS,
    resources.TASKS,
    resources.AGENTS,
    resources.LLMS,
    resources.TOOLS,
)

Harm = Literal["", "request lost", "reply lost", "conflict", "429", "500"]
HARMS: tuple[Harm, ...] = ("", "request lost", "reply lost", "conflict", "429", "500")

Deed = Literal["", "add first", "add last", "remove"]
DEEDS: tuple[Deed, ...] = ("", "add first", "add last", "remove")


@dataclass(frozen=True, slots=True)
class Moment:
    """What happens around one write of ours.

    Attributes:
        deed: What another controller does right before.
        target: Which of the objects that exist it does it to.
        harm: What becomes of our request.
        name: Of the other's finalizer.
    """

    deed: Deed
    target: int
    harm: Harm
    name: str


MOMENTS = st.builds(
    Moment,
    deed=st.sampled_from(DEEDS),
    target=st.integers(0, 9),
    harm=st.sampled_from(HARMS),
    name=st.sampled_from(("x.io/a", "x.io/b")),
)


@dataclass(slots=True)
class Ledger:
    """What others put on and took off, and when ours was seen."""

    theirs: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    ours: dict[str, bool] = field(default_factory=dict[str, bool])
    drops: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def check(self, found: Mapping[str, KubeObject]) -> None:
        """Compare what is there with what others did; noted, because a worker loop swallows what is raised in it."""
        for uid, obj in found.items():
            held = set(obj.metadata.finalizers)
            if (others := held - {names.TOOL_CALL_FINALIZER}) != self.theirs.get(uid, set()):
                self.violations.append(f"{obj.metadata.name} has {others}, and not {self.theirs.get(uid)}")
            self._look_at_ours(uid, is_there=names.TOOL_CALL_FINALIZER in held)
        for uid in self.ours.keys() - found.keys():
            if self.theirs.get(uid):
                self.violations.append(f"{uid} is gone although others held it")
            self._look_at_ours(uid, is_there=False)

    def _look_at_ours(self, uid: str, *, is_there: bool) -> None:
        was_there = self.ours.get(uid)
        if is_there and was_there is False:
            self.violations.append(f"ours came back to {uid}")
        self.drops[uid] += was_there is True and not is_there
        self.ours[uid] = is_there


class Meddling:
    """An exchange whose every write has a moment before it, and is looked at after it."""

    def __init__(self, inner: Exchange, moments: list[Moment], delete_at: int | None) -> None:
        self.inner = inner
        self.client = Client(inner, clock=LoopClock())
        self.ledger = Ledger()
        self._moments = moments
        self._delete_at = delete_at
        self._writes = self._touches = 0
        self._one_at_a_time = asyncio.Lock()

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        async def pass_on() -> Reply:
            return await self.inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)

        if method == "GET" or "/kubechain." not in target:
            return await pass_on()
        async with self._one_at_a_time:  # so that the ledger knows all that the server knows
            return await self._at(self._next_moment(), pass_on)

    def _next_moment(self) -> tuple[Moment, bool]:
        number, self._writes = self._writes, self._writes + 1
        moment = self._moments[number] if number < len(self._moments) else Moment("", 0, "", "")
        return moment, number == self._delete_at

    async def _at(self, now: tuple[Moment, bool], pass_on: Callable[[], Awaitable[Reply]]) -> Reply:
        moment, is_time_to_delete = now
        if is_time_to_delete:
            with contextlib.suppress(NotFound):
                await self.client.delete(resources.TASKS, NAMESPACE, "hello")
        await self._do(moment)
        match moment.harm:
            case "request lost":
                raise TransportError("connection reset")
            case "429" | "500":
                return failure(int(moment.harm), "TooManyRequests" if moment.harm == "429" else "InternalError")
            case "conflict":
                await self._touch_all()
            case _:
                pass
        reply = await pass_on()
        self.ledger.check(await self.objects())
        if moment.harm == "reply lost":
            raise TransportError("connection reset")
        return reply

    def stream(self, target: str, **options: Any) -> AbstractAsyncContextManager[StreamReply]:
        return self.inner.stream(target, **options)

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def objects(self) -> dict[str, KubeObject]:
        """Everything of ours, by uid."""
        lists = [await self.client.list(resource, NAMESPACE) for resource in KINDS]
        return {obj.metadata.uid: obj for found in lists for obj in found}

    async def let_go(self) -> None:
        """Everybody else is done with everything."""
        for uid in [uid for uid, held in self.ledger.theirs.items() if held]:
            async with self._one_at_a_time:
                if obj := (await self.objects()).get(uid):
                    await self._set(obj, [one for one in obj.metadata.finalizers if one == names.TOOL_CALL_FINALIZER])

    async def _do(self, moment: Moment) -> None:
        found = list((await self.objects()).values())
        if not moment.deed or moment.target >= len(found):
            return
        obj = found[moment.target]
        rest = [one for one in obj.metadata.finalizers if one != moment.name]
        match moment.deed:
            case "add first":
                wanted = [moment.name, *rest]
            case "add last":
                wanted = [*rest, moment.name]
            case _:
                wanted = rest
        try:
            await self._set(obj, wanted)
        except ApiError:
            assert obj.metadata.deletion_timestamp is not None, "only what is being deleted takes no new ones"

    async def _set(self, obj: KubeObject, finalizers: list[str]) -> None:
        resource = next(one for one in KINDS if one.kind == obj.kind)
        metadata = obj.metadata
        patch = {"metadata": {"finalizers": finalizers or None}}
        await self.client.patch(
            resource, metadata.namespace, metadata.name, patch, resource_version=metadata.resource_version
        )
        self.ledger.theirs[metadata.uid] = set(finalizers) - {names.TOOL_CALL_FINALIZER}

    async def _touch_all(self) -> None:
        """Somebody writes first, so that our version is an old one."""
        self._touches += 1
        patch = {"metadata": {"annotations": {"touched": str(self._touches)}}}
        for resource in KINDS[:2]:
            for obj in await self.client.list(resource, NAMESPACE):
                await self.client.patch(resource, NAMESPACE, obj.metadata.name, patch)


def _script(call: Call) -> Completion:
    """Two calls of another agent, then an answer."""
    if call.messages[-1].role == "tool" or call.messages[-1].content == "See.":
        return answer("done")
    see = "delegate_to_agent__scout", '{"message": "See."}'
    return calls(a_call(*see, call_id="one"), a_call(*see, call_id="two"))


class Plane:
    """What a replica needs of a control plane."""

    def __init__(self, meddling: Meddling) -> None:
        self._meddling = meddling

    def exchange(self) -> Meddling:
        return self._meddling


async def _story(world: World, moments: list[Moment], delete_at: int | None) -> None:
    meddling = Meddling(world.plane.exchange(), moments, delete_at)
    plane, world.plane = world.plane, Plane(meddling)  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    world.replica(FakeLLMClient(_script))
    world.plane = plane
    await world.apply_walk_through(subAgents=[{"name": "scout"}])
    scout = {"llmRef": {"name": "gpt-4o"}, "system": "You look at things."}
    await world.apply("agents", {"metadata": {"name": "scout"}, "spec": scout})
    await world.apply_task()
    await asyncio.sleep(600)
    with contextlib.suppress(NotFound):
        await world.client.delete(resources.TASKS, NAMESPACE, "hello")
    await asyncio.sleep(60)
    await meddling.let_go()
    await asyncio.sleep(600)
    assert not await world.client.list(resources.TASK_RUNS, NAMESPACE)
    assert not await world.client.list(resources.TOOL_CALLS, NAMESPACE)
    meddling.ledger.check(await meddling.objects())
    assert meddling.ledger.violations == []
    held = [uid for uid, drops in meddling.ledger.drops.items() if drops]
    assert all(meddling.ledger.drops[uid] == 1 for uid in held)
    assert not any(meddling.ledger.ours.values())
    if delete_at is None:
        assert len(held) == 2, "one for each call"


def _tell(moments: list[Moment], delete_at: int | None) -> None:
    async def tell() -> None:
        async with a_world() as world:
            await _story(world, moments, delete_at)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(tell())


@given(st.lists(MOMENTS, min_size=15, max_size=40), st.none() | st.integers(0, 30))
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow])
@example([], None)
def test_finalizers_of_others_are_theirs(moments: list[Moment], delete_at: int | None) -> None:
    _tell(moments, delete_at)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("deed", DEEDS)
def test_around_every_write_of_ours(deed: Deed, harm: Harm) -> None:
    """The same act and the same harm at each second write, to one object after the other."""
    moments = [Moment(deed if at % 2 else "", at % 9, harm if at % 2 else "", "x.io/a") for at in range(40)]
    _tell(moments, None)
