"""A long conversation is kept whole, in objects that stay small, and without writing it again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubechain.api.contextchunk import ChunkReference, ContextChunk
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.controllers import resources
from kubechain.controllers.frame import next_version
from kubechain.controllers.taskrun import chunks, settle
from kubechain.controllers.taskrun.chunkstore import ChunkCache
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.steps import AnswerToolCalls
from kubechain.llm.fake import FakeLLMClient, answer
from test.controllers.builders import NOW, a_call, a_claim, a_run, an_answer, messages
from test.controllers.test_durability import is_over
from test.controllers.world import a_world

P = TaskRunPhase
OBJECT_BYTES = 900 * 1024


def told(run: TaskRun, transcript: Transcript) -> tuple[TaskRun, tuple[ContextChunk, ...]]:
    moved = chunks.moved(run, transcript)
    rest = moved.rest if moved else transcript
    return run.with_status(**rest.status()), moved.chunks if moved else ()


def read_back(run: TaskRun, made: dict[str, ContextChunk]) -> tuple[Message, ...]:
    found, moved = list[tuple[Message, ...]](), run.status.chunks
    wanted = moved.last if moved else None
    for index in reversed(range(moved.count if moved else 0)):
        assert wanted is not None
        chunk = ContextChunk.from_wire(made[wanted.name].to_json())
        assert not chunks.flaw(run, chunk, wanted, index)
        found.append(chunk.spec.messages)
        wanted = chunk.spec.previous
    assert wanted is None
    earlier = [message for part in reversed(found) for message in part]
    return Transcript.of(run).whole(earlier).messages


def result(call_id: str, size: int) -> Message:
    return Message(role="tool", tool_call_id=call_id, content="x" * size)


def test_a_conversation_of_ten_megabytes_is_written_at_most_three_times_and_in_small_objects() -> None:
    run, made, written, said = a_run(), dict[str, ContextChunk](), 0, list(Transcript.of(a_run()).messages)
    for turn in range(300):
        call = a_call("read", call_id=f"c{turn}")
        claimed = run.with_status(phase=P.SEND_CONTEXT_WINDOW_TO_LLM, llm=a_claim(), turn=turn)
        asked = next_version(claimed, settle.answered(claimed, an_answer("", call), NOW))
        answered = settle.tools_answered(asked, AnswerToolCalls((result(f"c{turn}", 35_000),)))
        run, new = told(next_version(asked, answered), Transcript.of(next_version(asked, answered)))
        made |= {chunk.metadata.name: chunk for chunk in new}
        sizes = [len(asked.to_json()), len(run.to_json()), *(len(chunk.to_json()) for chunk in new)]
        assert max(sizes) < OBJECT_BYTES
        written += sum(sizes)
        said += [Transcript.of(asked).messages[-1], result(f"c{turn}", 35_000)]
    size = sum(len(message.to_json()) for message in said)
    assert size > 10_000_000
    assert written <= 3 * size
    assert read_back(run, made) == tuple(said)
    assert run.status.message_count == len(said)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 90_000)), max_size=12), st.booleans())
def test_what_is_moved_reads_back_and_no_call_is_apart_from_its_result(
    turns: list[tuple[int, int]], is_open: bool
) -> None:
    said = list(messages("You are helpful.", "Go."))
    for turn, (count, size) in enumerate(turns):
        ids = [f"t{turn}c{idx}" for idx in range(count)]
        said.append(
            Message(role="assistant", content="...", tool_calls=tuple(a_call("read", call_id=one) for one in ids))
        )
        said += [result(one, size) for one in ids]
    if is_open:
        said.append(Message(role="assistant", tool_calls=(a_call("read", call_id="open"),)))
    run, made = told(a_run(), Transcript(tuple(said)))
    assert read_back(run, {chunk.metadata.name: chunk for chunk in made}) == tuple(said)
    rest = Transcript.of(run).messages
    assert not rest or rest[0].role != "tool"
    assert not is_open or rest[-1].tool_calls


def test_the_same_content_has_the_same_name_and_another_run_another_one() -> None:
    transcript = Transcript((result("c", 300_000),))
    (_, [one]), (_, [again]) = told(a_run(), transcript), told(a_run(), transcript)
    other = a_run()
    other = other.model_copy(update={"metadata": other.metadata.with_changes(uid="another")})
    (_, [another]) = told(other, transcript)
    assert one == again
    assert another.metadata.name != one.metadata.name


def test_a_chunk_with_another_content_is_found() -> None:
    run, [chunk] = told(a_run(), Transcript((result("c", 300_000),)))
    wanted = ChunkReference(name=chunk.metadata.name, sha=chunk.spec.sha)
    changed = chunk.model_copy(update={"spec": chunk.spec.with_changes(messages=(result("c", 299_999),))})
    assert not chunks.flaw(run, chunk, wanted, 0)
    assert "content" in chunks.flaw(run, changed, wanted, 0)
    assert "not part 1" in chunks.flaw(run, chunk, wanted, 1)


def test_what_is_read_is_held_up_to_a_number_of_bytes() -> None:
    cache = ChunkCache(limit_bytes=700_000)
    made = [told(a_run(), Transcript((result(f"c{idx}", 300_000),)))[1][0].spec for idx in range(3)]
    for spec in made:
        cache.hold(spec)
    assert [cache.get(spec.sha) for spec in made] == [None, *made[1:]]
    assert cache.size_bytes <= cache.limit_bytes


async def test_the_model_reads_what_is_in_chunks() -> None:
    earlier = [{"role": "user", "content": "x" * 100_000} for _ in range(3)]
    model = FakeLLMClient(answer("What I have."))
    async with a_world() as world:
        world.replica(model)
        await world.apply_walk_through()
        spec = {"agentRef": {"name": "my-assistant"}, "contextWindow": earlier}
        await world.apply("taskruns", {"metadata": {"name": "long"}, "spec": spec})
        run = await world.until(is_over, "long")
        [chunk] = await world.client.list(resources.CONTEXT_CHUNKS, "default")
        assert (run.status.phase, run.status.output) == (P.FINAL_ANSWER, "What I have.")
        assert [message.content for message in model.calls[0].messages[1:]] == [one["content"] for one in earlier]
        assert run.status.chunks is not None
        assert run.status.chunks.last.name == chunk.metadata.name
        assert run.status.message_count == 5
