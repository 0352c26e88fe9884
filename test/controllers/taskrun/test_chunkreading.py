"""A request reads the chunks that it needs, and is byte for byte what it would be if all were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.api.context import Summary
from kubechain.api.contextchunk import ContextChunk, ContextChunkSpec
from kubechain.api.message import Message
from kubechain.api.meta import ObjectMeta
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import chunkreading, chunks, rendering
from kubechain.controllers.taskrun.chunkreading import Reader
from kubechain.controllers.taskrun.chunkstore import ChunkBroken, ChunkCache, ChunkStore
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.excerpts import Excerpt
from kubechain.runtime.errors import NotFound
from test.controllers.builders import NOW, a_call, a_run, messages

Edit = Callable[[ContextChunkSpec], ContextChunkSpec]


class Kept:
    """A run that grows turn by turn, and its chunks on the server."""

    def __init__(self) -> None:
        self.run = a_run(context_window=messages("You are helpful.", "Go."))
        self.made: dict[str, ContextChunkSpec] = {}
        self.bytes_made = 0

    def say(self, *said: Message, remembers: bool = True) -> None:
        """Append messages, and move the older ones as the store does.

        Args:
            remembers: Whether the newest chunk can be read when the next one is made.
        """
        transcript, before = Transcript.of(self.run).appended(*said), self.run.status.chunks
        last = self.made[before.last.name] if before and remembers else None
        moved = chunks.moved(self.run, transcript, last)
        for chunk in moved.chunks if moved else ():
            self.made[chunk.metadata.name] = ContextChunk.from_wire(chunk.to_json()).spec
            self.bytes_made += len(chunk.to_json())
        self.run = self.run.with_status(**(moved.rest if moved else transcript).status())

    def turn(self, number: int, size: int, users: Sequence[str] = (), *, remembers: bool = True) -> None:
        """A call, its result of so many bytes, and what people say then."""
        call_id = f"c{number}"
        self.say(
            Message(role="assistant", content="...", tool_calls=(a_call("read", call_id=call_id),)),
            Message(role="tool", tool_call_id=call_id, name="read", content="x" * size),
            *(Message(role="user", content=text) for text in users),
            remembers=remembers,
        )

    def summarised(self, through: int) -> TaskRun:
        """The run with a summary of the messages before a place."""
        summary = Summary(
            from_message=0, through_message=through, llm_name="gpt-4o", at=NOW, sha="0" * 64, content="They read much."
        )
        return self.run.with_status(summaries=(summary,))

    def edited(self, edit: Edit) -> Kept:
        """The same with other chunks."""
        other = Kept()
        other.run, other.made = self.run, {name: edit(spec) for name, spec in self.made.items()}
        return other

    def read(self, run: TaskRun, reader: Reader) -> tuple[Excerpt, list[int]]:
        """What a reader makes of the chunks, and the places of those that it read."""
        indexes, spec = list[int](), None
        try:
            while True:
                wanted = reader.send(spec) if spec else next(reader)
                spec = self.made[wanted.reference.name]
                assert not chunks.flaw(run, an_object(wanted.reference.name, spec), wanted.reference, wanted.index)
                indexes.append(wanted.index)
        except StopIteration as end:
            return end.value, indexes

    def request(self, run: TaskRun) -> tuple[list[Message], list[int]]:
        """What the model is sent, and the places of the chunks that were read for it."""
        found, indexes = self.read(run, chunkreading.needed(run))
        return rendering.request(run, found), indexes

    def whole_request(self, run: TaskRun) -> list[Message]:
        """What the model is sent where all is read."""
        return rendering.request(run, self.read(run, chunkreading.everything(run))[0])

    @property
    def count(self) -> int:
        """How many messages there are."""
        return self.run.status.message_count or 0


def an_object(name: str, spec: ContextChunkSpec) -> ContextChunk:
    return ContextChunk(metadata=ObjectMeta(name=name), spec=spec)


def a_long_run(turns: int = 60, users: Sequence[str] = ()) -> Kept:
    """Sixty turns with results of sixteen kilobytes, what people say after each, and its chunks."""
    kept = Kept()
    for number in range(turns):
        kept.turn(number, 16_000, users)
    assert len(kept.made) >= 5
    return kept


def last_turn(kept: Kept, back: int) -> int:
    """The place where the turn begins that is so many from the end."""
    said = Transcript.of(kept.run).after(kept.read(kept.run, chunkreading.everything(kept.run))[0])
    return said.places_of("assistant")[-back]


@pytest.mark.parametrize(
    ("back", "at_most"),
    [
        pytest.param(1, 1, id="where the summary goes up to what the status has: the newest chunk"),
        pytest.param(4, 5, id="where the newest four turns are kept: the chunks of these"),
        pytest.param(20, 21, id="where twenty turns are kept"),
    ],
)
def test_after_a_summary_the_chunks_of_the_turns_that_are_kept_are_read(back: int, at_most: int) -> None:
    for turns in (60, 180):
        kept = a_long_run(turns)
        run = kept.summarised(last_turn(kept, back))
        sent, indexes = kept.request(run)
        assert 0 < len(indexes) <= at_most, "and no more in a conversation that is three times as long"
        assert sent == kept.whole_request(run)


def test_without_a_summary_every_chunk_is_read_once() -> None:
    kept = a_long_run()
    sent, indexes = kept.request(kept.run)
    assert indexes == list(reversed(range(len(kept.made))))
    assert sent == kept.whole_request(kept.run)


@pytest.mark.parametrize(
    ("text", "at_most"),
    [
        pytest.param("Go on.", 3, id="short ones: no chunk besides, or one"),
        pytest.param("Go on." * 100, 10, id="longer ones: a chunk for each eight kilobytes"),
        pytest.param("x" * 9_000, 60, id="each larger than what a chunk repeats: a chunk for each"),
    ],
)
def test_what_users_said_is_read_from_few_chunks_however_many_there_are(text: str, at_most: int) -> None:
    kept = a_long_run(60, [text])
    run = kept.summarised(last_turn(kept, 1))
    sent, indexes = kept.request(run)
    assert len(indexes) <= at_most
    assert sent == kept.whole_request(run)
    assert sum(message.content == text for message in sent) == 60


def test_what_chunks_repeat_costs_no_more_than_a_part_of_what_they_have() -> None:
    kept = a_long_run(60, ["Go on." * 100])
    said = kept.read(kept.run, chunkreading.everything(kept.run))[0].messages
    assert kept.bytes_made <= 1.6 * sum(len(message.to_json()) for message in said)


def of_an_earlier_release(spec: ContextChunkSpec) -> ContextChunkSpec:
    return spec.with_changes(lasting=None)


def test_a_run_of_an_earlier_release_that_recorded_no_hash_is_read_as_a_whole() -> None:
    kept = a_long_run(60, ["Go on."]).edited(of_an_earlier_release)
    moved = kept.run.status.chunks
    assert moved is not None
    kept.run = kept.run.with_status(chunks=moved.with_changes(lasting_sha=None))
    run = kept.summarised(last_turn(kept, 1))
    sent, indexes = kept.request(run)
    assert len(indexes) == len(kept.made)
    assert sent == kept.whole_request(run)
    kept.turn(60, 40_000)
    assert kept.run.status.chunks is not None
    assert kept.run.status.chunks.lasting_sha is None, "a hash of a part would never be the right one"


def test_behind_chunks_of_an_earlier_release_all_are_read_and_of_later_ones_those_that_are_needed() -> None:
    kept = a_long_run(30, ["Go on."]).edited(of_an_earlier_release)
    old = len(kept.made)
    for number in range(30, 90):
        kept.turn(number, 16_000, ["Go on."])
    run = kept.summarised(last_turn(kept, 1))
    sent, indexes = kept.request(run)
    assert indexes == [len(kept.made) - 1, *reversed(range(old - 1))]
    assert len(kept.made) > 2 * old
    assert sent == kept.whole_request(run)


def test_a_chunk_that_was_made_while_the_one_before_could_not_be_read_refers_to_it() -> None:
    kept = a_long_run(60, ["Go on."])
    kept.turn(60, 40_000, remembers=False)
    newest = kept.run.status.chunks
    assert newest is not None
    assert kept.made[newest.last.name].lasting is None
    run = kept.summarised(last_turn(kept, 1))
    sent, indexes = kept.request(run)
    assert len(indexes) <= 4
    assert sent == kept.whole_request(run)


Said = tuple[Message, ...]


def without_one(said: Said) -> Said:
    return said[:-1]


def with_another(said: Said) -> Said:
    return (*said[:-1], said[-1].with_changes(content="Stop."))


def in_another_order(said: Said) -> Said:
    return said[::-1]


@pytest.mark.parametrize("edit", [without_one, with_another, in_another_order])
def test_what_a_chunk_repeats_is_believed_only_with_the_hash_that_the_run_recorded(
    edit: Callable[[Said], Said],
) -> None:
    kept = a_long_run(30, ["Go on.", "And then?"])
    run = kept.summarised(last_turn(kept, 1))

    def changed(spec: ContextChunkSpec) -> ContextChunkSpec:
        repeated = spec.lasting
        if repeated is None or not repeated.messages:
            return spec
        return spec.with_changes(lasting=repeated.with_changes(messages=edit(repeated.messages)))

    sent, indexes = kept.edited(changed).request(run)
    assert sent == kept.whole_request(run)
    assert set(indexes) == set(range(len(kept.made))), "all are read"


def test_what_another_run_recorded_has_another_hash() -> None:
    said = messages("You are helpful.", "Go.")
    own, other = (chunks.lasting_sha(uid, said) for uid in ("one", "another"))
    assert own != other
    assert chunks.lasting_sha(chunks.lasting_sha("one", said[:1]), said[1:]) == own


class Shelf:
    """The API server, as far as a store of chunks reads it."""

    def __init__(self, kept: Kept) -> None:
        self.chunks = {name: an_object(name, spec) for name, spec in kept.made.items()}
        self.reads: list[str] = []

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        del resource, namespace
        self.reads.append(name)
        if name not in self.chunks:
            raise NotFound(404, "NotFound", f"{name} not found")
        return self.chunks[name]


async def test_a_chunk_that_no_request_needs_any_more_may_be_gone_and_readers_of_the_whole_are_told() -> None:
    kept = a_long_run()
    run = kept.summarised(last_turn(kept, 4))
    client: Any = (shelf := Shelf(kept))
    first = next(name for name, spec in kept.made.items() if spec.index == 0)
    del shelf.chunks[first]
    assert rendering.request(run, await ChunkStore(client, ChunkCache()).needed(run)) == kept.whole_request(run)
    with pytest.raises(ChunkBroken, match=f'ContextChunk "{first}" is gone'):
        await ChunkStore(client, ChunkCache()).messages(run)
    with pytest.raises(ChunkBroken, match=f'ContextChunk "{first}" is gone'):
        await ChunkStore(client, ChunkCache()).needed(kept.run)


async def test_what_was_read_once_is_not_read_again() -> None:
    kept = a_long_run()
    run = kept.summarised(last_turn(kept, 4))
    client: Any = (shelf := Shelf(kept))
    store = ChunkStore(client, ChunkCache())
    assert await store.needed(run) == await store.needed(run)
    assert len(set(shelf.reads)) == len(shelf.reads) < len(kept.made)


TURNS = st.lists(st.tuples(st.integers(0, 40_000), st.lists(st.integers(0, 12_000), max_size=2)), max_size=25)


@given(TURNS, st.integers(0, 2), st.data())
def test_a_request_is_the_same_whatever_is_read_for_it(
    turns: list[tuple[int, list[int]]], old: int, data: st.DataObject
) -> None:
    kept = Kept()
    for number, (size, users) in enumerate(turns):
        remembers = data.draw(st.integers(0, 9)) > 0
        said = [f"{number}.{place} " + "u" * long for place, long in enumerate(users)]
        kept.turn(number, size, said, remembers=remembers)
    kept = kept.edited(lambda spec: of_an_earlier_release(spec) if spec.index < old else spec)
    through = data.draw(st.integers(0, kept.count))
    run = kept.summarised(through) if through else kept.run
    sent, indexes = kept.request(run)
    assert sent == kept.whole_request(run)
    assert len(set(indexes)) == len(indexes), "each is read once"
