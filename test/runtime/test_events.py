"""Events: form, series, bounds, and that nothing of it ever disturbs who records."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.events import ATTEMPTS, QUEUE_LIMIT, WORKERS, EventRecorder, EventSink
from test.runtime.fake_apiserver import FakeApiServer, failure
from test.runtime.virtual_time import VirtualTimeLoop
from test.runtime.widgets import widget

PATH = "apis/events.k8s.io/v1/events"
OBJECT = widget("hello", metadata={"uid": "u-1", "resourceVersion": "7"})


@asynccontextmanager
async def recording(server: FakeApiServer) -> AsyncGenerator[tuple[EventRecorder, EventSink]]:
    sink = EventSink(Client(server, clock=LoopClock()), clock=LoopClock(), instance="pod_1")
    task = asyncio.create_task(sink.run())
    try:
        yield EventRecorder(sink, "widget-controller"), sink
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def events(server: FakeApiServer) -> list[dict[str, Any]]:
    return [obj for _, obj in sorted(server.objects.items())]


async def test_an_event_has_what_kubectl_describe_shows() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Normal", "Ready", "All is well")
        await sink.drain()
    (event,) = events(server)
    name = event["metadata"].pop("name")
    assert name.startswith("hello.")
    assert len(name) == len("hello.") + 16
    assert event["metadata"]["namespace"] == "default"
    assert event["regarding"] == {
        "apiVersion": "example.com/v1", "kind": "Widget", "namespace": "default", "name": "hello", "uid": "u-1",
        "resourceVersion": "7",
    }  # fmt: skip
    assert {key: event[key] for key in ("type", "reason", "note", "action")} == {
        "type": "Normal", "reason": "Ready", "note": "All is well", "action": "Ready",
    }  # fmt: skip
    assert (event["reportingController"], event["reportingInstance"]) == ("widget-controller", "pod_1")
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert "series" not in event


async def test_names_sort_in_the_order_of_recording() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        for number in range(20):
            recorder.event(OBJECT, "Normal", "Step", f"step {number}")
        await sink.drain()
    assert [event["note"] for event in events(server)] == [f"step {number}" for number in range(20)]


async def test_repetition_becomes_a_series_with_few_writes() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        for _ in range(120):
            recorder.event(OBJECT, "Warning", "Failed", "the same")
            await asyncio.sleep(1)
        await sink.drain()
        (event,) = events(server)
        assert event["series"]["count"] == 120
        assert len(server.writes()) <= 14
        await asyncio.sleep(600)
        recorder.event(OBJECT, "Warning", "Failed", "the same")
        await sink.drain()
    assert len(events(server)) == 2


async def test_a_series_whose_event_has_expired_goes_on_in_a_new_one() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Warning", "Failed", "the same")
        await sink.drain()
        server.objects.clear()
        recorder.event(OBJECT, "Warning", "Failed", "the same")
        await sink.drain()
    (event,) = events(server)
    assert event["series"]["count"] == 2


async def test_one_object_cannot_flood_and_others_are_not_affected() -> None:
    server = FakeApiServer()
    other = widget("other", metadata={"uid": "u-2"})
    async with recording(server) as (recorder, sink):
        for number in range(100):
            recorder.event(OBJECT, "Normal", "Noise", f"noise {number}")
        recorder.event(other, "Normal", "Ready", "fine")
        await sink.drain()
        assert len(events(server)) == 26
        assert sink.statistics().filtered == 75
        await asyncio.sleep(301)
        recorder.event(OBJECT, "Normal", "Noise", "one more")
        await sink.drain()
    assert len(events(server)) == 27


async def test_a_server_that_is_down_costs_events_and_nothing_else() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: TransportError("down")
    async with recording(server) as (recorder, sink):
        for number in range(QUEUE_LIMIT + 500):
            recorder.event(widget(f"w{number}"), "Normal", "Ready", "fine")
        assert sink.statistics().dropped == 500
        server.fails = lambda sent: None
        await sink.drain()
        assert len(server.objects) == QUEUE_LIMIT


async def test_in_a_burst_beginnings_are_dropped_and_ends_and_warnings_arrive() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        for number in range(QUEUE_LIMIT):
            recorder.event(widget(f"w{number}"), "Normal", "Began", "begun")
        for number in range(QUEUE_LIMIT):
            recorder.event(widget(f"w{number}"), *ENDS[number % 2], "over", is_end=not number % 2)
        assert sink.statistics().dropped == QUEUE_LIMIT
        await sink.drain()
    assert Counter(event["reason"] for event in events(server)) == {"Ended": QUEUE_LIMIT / 2, "Failed": QUEUE_LIMIT / 2}


ENDS = (("Normal", "Ended"), ("Warning", "Failed"))


async def test_when_only_ends_wait_the_newest_is_dropped() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        for number in range(QUEUE_LIMIT):
            recorder.event(widget(f"w{number}"), "Normal", "Ended", "over", is_end=True)
        for is_end in (True, False):
            recorder.event(OBJECT, "Normal", "Late", "late", is_end=is_end)
        assert sink.statistics().dropped == 2
        await sink.drain()
    assert {event["reason"] for event in events(server)} == {"Ended"}


async def test_drops_are_logged_in_one_line_a_minute() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(403, "Forbidden", "no right")
    with structlog.testing.capture_logs() as logs:
        async with recording(server) as (recorder, _):
            await record_one_a_second(recorder, 90)
            await asyncio.sleep(120)
    lines = [line for line in logs if line["event"] == "events dropped"]
    assert [line["dropped"] for line in lines] == [1, 59, 30]
    assert "no right" in lines[0]["error"]
    assert lines[0]["last"] == "Widget default/w0: Began"


async def test_an_event_of_a_namespace_that_is_being_deleted_is_no_loss_to_tell() -> None:
    server = FakeApiServer()
    server.failures.append(failure(403, "Forbidden", "it is being terminated", causes=("NamespaceTerminating",)))
    with structlog.testing.capture_logs() as logs:
        async with recording(server) as (recorder, sink):
            recorder.event(OBJECT, "Normal", "Ended", "gone")
            await sink.drain()
            recorder.event(OBJECT, "Normal", "Ended", "gone")
            await sink.drain()
    assert (sink.statistics().dropped, sink.statistics().filtered, sink.statistics().written) == (0, 1, 1)
    assert [event.get("series") for event in events(server)] == [None]
    assert logs == []


async def record_one_a_second(recorder: EventRecorder, seconds: int) -> None:
    for second in range(seconds):
        recorder.event(widget(f"w{second}"), "Normal", "Began", "begun")
        await asyncio.sleep(1)


async def test_the_order_holds_for_each_object_while_several_are_written_at_once() -> None:
    server = FakeApiServer()
    server.delay_seconds = 1.0
    async with recording(server) as (recorder, sink):
        began = asyncio.get_running_loop().time()
        for step in range(4):
            for number in range(WORKERS):
                recorder.event(widget(f"w{number}"), "Normal", "Step", f"step {step}")
        await sink.drain()
        assert asyncio.get_running_loop().time() - began == 4.0
    notes = {number: [sent["note"] for sent in sent_about(server, f"w{number}")] for number in range(WORKERS)}
    assert all(each == [f"step {step}" for step in range(4)] for each in notes.values())


def sent_about(server: FakeApiServer, name: str) -> list[dict[str, Any]]:
    """The bodies of the events about an object, in the order in which they were sent."""
    bodies = [sent.body or {} for sent in server.writes()]
    return [body for body in bodies if body["regarding"]["name"] == name]


async def test_an_event_that_could_not_be_written_is_written_when_it_happens_again() -> None:
    server = FakeApiServer()
    server.fails = lambda sent: failure(503, "ServiceUnavailable")
    async with recording(server) as (recorder, sink):
        for minute in range(30):
            if minute == 5:
                server.fails = lambda sent: None
            recorder.event(OBJECT, "Warning", "Unreachable", "the same each minute")
            await asyncio.sleep(60)
        await sink.drain()
    (event,) = events(server)
    assert event["series"]["count"] == 25


async def test_a_repetition_while_the_first_is_on_its_way_is_counted_soon() -> None:
    server = FakeApiServer()
    server.delay_seconds = 0.5
    async with recording(server) as (recorder, _):
        recorder.event(OBJECT, "Warning", "Failed", "the same")
        await asyncio.sleep(0.1)
        recorder.event(OBJECT, "Warning", "Failed", "the same")
        await asyncio.sleep(15)
    (event,) = events(server)
    assert event["series"]["count"] == 2


async def test_a_text_that_cannot_be_encoded_disturbs_nobody() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Warning", "Failed", "half of a pair: \ud83d.")
        await sink.drain()
    (event,) = events(server)
    assert event["note"] == "half of a pair: ?."


def _happenings() -> st.SearchStrategy[list[tuple[int, str, int]]]:
    """Which object, which message, and how many seconds until the next."""
    return st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(("one", "two", "down", "up", "refused")), st.integers(0, 90)),
        max_size=80,
    )


async def _happen(happenings: list[tuple[int, str, int]]) -> None:
    server = FakeApiServer()
    counts: Counter[tuple[str, str]] = Counter()
    async with recording(server) as (recorder, sink):
        for number, message, seconds in happenings:
            match message:
                case "down":
                    server.fails = lambda sent: TransportError("down")
                case "up":
                    server.fails = lambda sent: None
                case "refused":
                    server.failures.append(failure(403, "Forbidden"))
                case _:
                    recorder.event(widget(f"w{number}"), "Normal", "Step", message)
                    counts[f"w{number}", message] += 1
            await asyncio.sleep(seconds)
            assert sink.statistics().pending <= len(counts)
        server.fails = lambda sent: None
        server.failures.clear()
        await sink.drain()
        now = sink.statistics()
        assert now.pending == 0
    shown: Counter[tuple[str, str]] = Counter()
    for event in events(server):
        shown[event["regarding"]["name"], event["note"]] += event.get("series", {}).get("count", 1)
    assert all(shown[key] <= count for key, count in counts.items())
    if not now.dropped and not now.filtered:
        assert shown == counts, "every repetition is counted"
    assert len(server.writes()) <= ATTEMPTS * (counts.total() + len(counts))


@given(_happenings())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_repeated_events_are_bounded_and_all_counted(happenings: list[tuple[int, str, int]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_happen(happenings))


async def test_a_thousand_repetitions_a_second_cost_a_write_each_ten_seconds_and_no_memory() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        for _ in range(60):
            for _ in range(1000):
                recorder.event(OBJECT, "Warning", "Failed", "the same")
            assert sink.statistics().pending <= 1
            await asyncio.sleep(1)
        await sink.drain()
    (event,) = events(server)
    assert event["series"]["count"] == 60_000
    assert len(server.writes()) <= 8


async def test_refused_events_are_dropped_and_the_next_ones_are_written() -> None:
    server = FakeApiServer()
    server.failures.append(failure(403, "Forbidden", "namespace is being terminated"))
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Normal", "One", "refused")
        recorder.event(OBJECT, "Normal", "Two", "written")
        await sink.drain()
    assert [event["reason"] for event in events(server)] == ["Two"]


async def test_a_lost_reply_makes_no_second_event() -> None:
    server = FakeApiServer()
    lost = [True]
    server.lose_reply = lambda sent: bool(lost) and lost.pop()
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Normal", "Ready", "fine")
        await sink.drain()
    assert len(events(server)) == 1
    assert sink.statistics().dropped == 0


async def test_the_longest_names_and_notes_stay_within_the_servers_limits() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        recorder.event(widget("a" * 235 + "-." + "b" * 16), "Odd", "R" * 300, "ü" * 2000)
        await sink.drain()
    (event,) = events(server)
    assert len(event["metadata"]["name"]) <= 253
    assert "-." not in event["metadata"]["name"]
    assert len(event["note"].encode()) <= 1024
    assert (len(event["reason"]), event["type"]) == (128, "Normal")


async def test_an_event_that_is_on_its_way_at_the_drain_is_written_once() -> None:
    server = FakeApiServer()
    async with recording(server) as (recorder, sink):
        recorder.event(OBJECT, "Normal", "Ready", "All is well")
        # One turn of the loop: the event has left the queue, and its request is not answered yet.
        await asyncio.sleep(0)
        await sink.drain()
        assert sink.statistics().written == 1
    (event,) = events(server)
    assert "series" not in event
