"""The loop that all kinds share: where it begins, how it goes on, when it reads the server, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pytest

from kubechain.api.meta import KubeObject, StatusType
from kubechain.api.tool import Tool, ToolSpec
from kubechain.controllers import frame, resources
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, normal
from kubechain.runtime.client import Client
from kubechain.runtime.controller import Result
from kubechain.runtime.errors import Conflict, NotFound, WriteRefused
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister
from test.controllers.builders import NOW, meta
from test.controllers.toolcall.builders import ADD

REQUEST = Request("default", "add")
FINALIZER = "kubechain.humanlayer.dev/test"


def an_object(version: int = 1, **metadata: Any) -> Tool:
    changes = {"resource_version": str(version)} | metadata
    return Tool(metadata=meta("add", **changes), spec=ToolSpec(execute=ADD))


DELETED = an_object(deletion_timestamp=NOW, finalizers=(FINALIZER,))
REPLACED = an_object(uid="99999999-9999-9999-9999-999999999999")


@dataclass
class Server:
    """One object on a server that answers every request, and the requests."""

    stored: Tool | None
    requests: list[Any] = field(default_factory=list[Any])
    failure: Exception | None = None

    async def get(self, resource: Any, namespace: str, name: str) -> Tool:
        self.requests.append(f"GET {namespace}/{name}")
        if self.stored is None:
            raise NotFound(404)
        return self.stored

    async def update_status(self, resource: Any, obj: Tool) -> Tool:
        self.requests.append(f"PUT {obj.status.status_detail}")
        return self._written(obj)

    async def patch(
        self, resource: Any, namespace: str, name: str, patch: Mapping[str, Any], *, resource_version: str
    ) -> Tool:
        self.requests.append((patch, resource_version))
        return self._written(self.stored)

    def _written(self, obj: Tool | None) -> Tool:
        if self.failure is not None:
            raise self.failure
        if obj is None:
            raise NotFound(404)
        version = int(obj.metadata.resource_version) + 1
        self.stored = obj.model_copy(update={"metadata": obj.metadata.with_changes(resource_version=str(version))})
        return self.stored


@dataclass
class Events:
    """Events as (version of the object, reason)."""

    recorded: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def event(self, obj: KubeObject, event_type: str, reason: str, message: str, *, is_end: bool = False) -> None:
        self.recorded.append((obj.metadata.resource_version, reason))


@dataclass(frozen=True)
class Write:
    """Write a detail, and go on."""

    detail: str


@dataclass(frozen=True)
class Create:
    """Make another object: only for an object that the server has."""


@dataclass(frozen=True)
class Finish:
    """Write a detail, and end the reconcile."""

    requeue_after_seconds: float | None


@dataclass(frozen=True)
class Vanish:
    """Somebody deletes the object meanwhile."""


Step = Write | Create | Finish | Vanish


@dataclass
class Scripted:
    """A kind that decides by a script, and notes what the frame has it do.

    Attributes:
        script: One step for each decision.
        notes: Stages with the version of the object that they were given.
    """

    writer: StatusWriter[Tool]
    script: list[Step | Done]
    notes: list[str] = field(default_factory=list[str])

    finalizer: ClassVar[str | None] = None
    live_steps: ClassVar[tuple[type[Any], ...]] = (Create,)

    async def observe(self, obj: Tool) -> Tool:
        self.notes.append(f"observe {obj.metadata.resource_version}")
        return obj

    def decide(self, observed: Tool) -> Step | Done:
        self.notes.append(f"decide {observed.metadata.resource_version}")
        return self.script.pop(0)

    async def carry_out(self, observed: Tool, step: Step) -> Again[Tool] | Done:
        self.notes.append(f"carry out {type(step).__name__}")
        match step:
            case Write(detail):
                return Again(await self.writer.write(observed, Settled({"status_detail": detail})))
            case Create():
                return Again(observed)
            case Finish(seconds):
                return await self.writer.finish(observed, Settled({"status_detail": "finished"}, (), seconds))
            case Vanish():
                return Again(None)

    def refused(self, observed: Any, refusal: WriteRefused) -> Settled | None:
        del observed, refusal
        return None

    async def forget(self, request: Request) -> None:
        self.notes.append(f"forget {request.namespace}/{request.name}")


class WithFinalizer(Scripted):
    """A kind whose deleted objects are decided on until they are gone."""

    finalizer: ClassVar[str | None] = FINALIZER


@dataclass
class Cache:
    """What a process knows of the object."""

    held: Tool | None

    def get(self, namespace: str, name: str) -> Tool | None:
        return self.held


FORGOTTEN = "forget default/add"


def a_writer(server: Server, events: Events | None = None) -> StatusWriter[Tool]:
    return StatusWriter(resources.TOOLS, cast(Client, server), events or Events())


async def reconciled(
    cached: Tool | None, *script: Step | Done, server: Server | None = None, kind: type[Scripted] = Scripted
) -> tuple[Result, list[str]]:
    """The result of one reconcile, and the stages that it went through; every step of the script is taken."""
    scripted = kind(a_writer(server or Server(cached)), list(script))
    result = await frame.reconcile(scripted, cast(Lister[Tool], Cache(cached)), REQUEST)
    assert scripted.script == []
    return result, scripted.notes


# --- get, deletion, finalizer


@pytest.mark.parametrize("kind", [Scripted, WithFinalizer], ids=["without a finalizer", "with a finalizer"])
async def test_an_object_that_is_gone_is_forgotten(kind: type[Scripted]) -> None:
    assert await reconciled(None, kind=kind) == (Result(), [FORGOTTEN])


async def test_a_deleted_object_of_a_kind_without_a_finalizer_is_forgotten() -> None:
    assert await reconciled(DELETED) == (Result(), [FORGOTTEN])


async def test_a_deleted_object_of_a_kind_with_a_finalizer_is_decided_on() -> None:
    result, notes = await reconciled(DELETED, Done(), kind=WithFinalizer)
    assert (result, notes) == (Result(), ["observe 1", "decide 1"])


async def test_an_object_that_is_deleted_on_the_server_creates_nothing() -> None:
    server = Server(DELETED)
    result, notes = await reconciled(an_object(), Create(), server=server)
    assert (result, notes) == (Result(), ["observe 1", "decide 1", FORGOTTEN])
    assert server.requests == ["GET default/add"]


# --- decide, carry out


@pytest.mark.parametrize("seconds", [None, 0.0, 12.5])
async def test_nothing_to_do_ends_the_reconcile_and_says_when_to_look_again(seconds: float | None) -> None:
    result, notes = await reconciled(an_object(), Done(seconds))
    assert (result, notes) == (Result(seconds), ["observe 1", "decide 1"])


@pytest.mark.parametrize("seconds", [None, 0.0, 12.5])
async def test_a_last_step_ends_the_reconcile_and_says_when_to_look_again(seconds: float | None) -> None:
    result, notes = await reconciled(an_object(), Finish(seconds))
    assert (result, notes) == (Result(seconds), ["observe 1", "decide 1", "carry out Finish"])


async def test_a_reconcile_goes_on_with_what_was_written() -> None:
    result, notes = await reconciled(an_object(), Write("one"), Write("two"), Done())
    assert result == Result()
    assert notes == [
        *("observe 1", "decide 1", "carry out Write"),
        *("observe 2", "decide 2", "carry out Write"),
        *("observe 3", "decide 3"),
    ]


async def test_an_object_that_went_away_during_a_step_is_forgotten() -> None:
    result, notes = await reconciled(an_object(), Vanish())
    assert (result, notes) == (Result(), ["observe 1", "decide 1", "carry out Vanish", FORGOTTEN])


async def test_a_conflict_ends_the_reconcile_and_forgets_nothing() -> None:
    server = Server(an_object(), failure=Conflict(409))
    scripted = Scripted(a_writer(server), [Write("one")])
    with pytest.raises(Conflict):
        await frame.reconcile(scripted, cast(Lister[Tool], Cache(an_object())), REQUEST)
    assert scripted.notes == ["observe 1", "decide 1", "carry out Write"]


# --- steps that make other objects


async def test_a_step_that_creates_is_decided_again_on_what_the_server_has() -> None:
    server = Server(an_object(5))
    _, notes = await reconciled(an_object(), Create(), Create(), Done(), server=server)
    assert notes == [
        *("observe 1", "decide 1"),
        *("observe 5", "decide 5", "carry out Create"),
        *("observe 5", "decide 5"),
    ]
    assert server.requests == ["GET default/add"]


async def test_what_an_old_cache_wanted_to_create_is_dropped() -> None:
    server = Server(an_object(5))
    _, notes = await reconciled(an_object(), Create(), Done(30.0), server=server)
    assert notes == ["observe 1", "decide 1", "observe 5", "decide 5"]


async def test_the_server_is_read_once_however_much_is_created() -> None:
    server = Server(an_object(5))
    await reconciled(an_object(), Create(), Create(), Create(), Create(), Done(), server=server)
    assert server.requests == ["GET default/add"]


async def test_after_a_write_there_is_nothing_to_read() -> None:
    server = Server(an_object())
    _, notes = await reconciled(an_object(), Write("one"), Create(), Done(), server=server)
    assert notes[3:6] == ["observe 2", "decide 2", "carry out Create"]
    assert server.requests == ["PUT one"]


async def test_other_steps_read_nothing() -> None:
    server = Server(an_object(5))
    await reconciled(an_object(), Finish(None), server=server)
    assert server.requests == ["PUT finished"]


@pytest.mark.parametrize("stored", [None, REPLACED], ids=["gone", "replaced by another of its name"])
async def test_nothing_is_created_for_an_object_that_the_server_does_not_have(stored: Tool | None) -> None:
    result, notes = await reconciled(an_object(), Create(), server=Server(stored))
    assert (result, notes) == (Result(), ["observe 1", "decide 1", FORGOTTEN])


# --- what is written


READY = Settled(
    frame.readiness(an_object(), StatusType.READY, reason="Ready", message="it is", now=NOW),
    (normal("Ready", "it is"),),
)


async def test_a_changed_status_is_one_request_and_its_events_are_about_the_new_version() -> None:
    server, events = Server(an_object()), Events()
    written = await a_writer(server, events).write(an_object(), READY)
    assert written is not None
    assert (written.metadata.resource_version, written.status.observed_generation) == ("2", 1)
    assert (len(server.requests), events.recorded) == (1, [("2", "Ready")])


async def test_an_unchanged_status_costs_no_request_and_no_event() -> None:
    server, events = Server(an_object()), Events()
    obj = an_object().with_status(**READY.status)
    assert await a_writer(server, events).write(obj, READY) is obj
    assert (server.requests, events.recorded) == ([], [])


@pytest.mark.parametrize(
    ("known", "settled", "generation"),
    [
        pytest.param({}, READY.status, 2, id="a verdict on the spec as it is"),
        pytest.param(
            READY.status | {"observed_generation": 1}, {"status_detail": "x"}, 1, id="news, and no verdict yet"
        ),
        pytest.param({"observed_generation": -1}, {"status_detail": "x"}, -1, id="news before the first verdict"),
    ],
)
def test_a_status_is_not_of_a_newer_spec_than_its_verdict(
    known: dict[str, Any], settled: dict[str, Any], generation: int
) -> None:
    obj = an_object(generation=2)
    if settled is READY.status:
        settled = frame.readiness(obj, StatusType.READY, reason="Ready", message="it is", now=NOW)
    after = frame.next_version(obj.with_status(**known), Settled(settled))
    assert after.status.observed_generation == generation


async def test_a_first_false_is_written_for_everybody_to_read() -> None:
    server = Server(an_object())
    await a_writer(server).write(an_object(), Settled({"ready": False}))
    assert len(server.requests) == 1


async def test_the_status_of_an_object_that_is_gone_is_dropped_without_an_event() -> None:
    server, events = Server(None, failure=NotFound(404)), Events()
    assert await a_writer(server, events).write(an_object(), READY) is None
    assert events.recorded == []


async def test_a_status_that_somebody_else_wrote_first_is_not_announced() -> None:
    server, events = Server(an_object(), failure=Conflict(409)), Events()
    with pytest.raises(Conflict):
        await a_writer(server, events).write(an_object(), READY)
    assert events.recorded == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((FINALIZER,), None, id="the only one"),
        pytest.param(("a", FINALIZER, "b"), ["a", "b"], id="one among others"),
    ],
)
async def test_one_finalizer_is_removed_from_the_version_that_was_decided_on(
    before: tuple[str, ...], after: list[str] | None
) -> None:
    obj = an_object(7, finalizers=before)
    server = Server(obj)
    await a_writer(server).drop_finalizer(obj, FINALIZER)
    assert server.requests == [({"metadata": {"finalizers": after}}, "7")]


async def test_a_finalizer_that_is_not_there_costs_no_request() -> None:
    server = Server(an_object(finalizers=("a",)))
    await a_writer(server).drop_finalizer(an_object(finalizers=("a",)), FINALIZER)
    assert server.requests == []


async def test_a_finalizer_of_an_object_that_is_gone_is_gone() -> None:
    server = Server(None, failure=NotFound(404))
    await a_writer(server).drop_finalizer(DELETED, FINALIZER)
