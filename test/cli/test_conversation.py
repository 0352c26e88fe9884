"""The whole conversation of a run on the command line, verified; and what its model is sent of it."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kubechain.api.context import RunContext
from kubechain.api.contextchunk import ContextChunk
from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun, TaskRunPhase
from kubechain.cli import clusters, conversation
from kubechain.cli.terminal import Failure
from kubechain.controllers.taskrun import chunks
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.runtime.errors import NotFound
from test.controllers.builders import a_call, a_run, messages

RESULT = "x" * 300_000


class Shelf:
    """The API server, as far as this command reads it."""

    def __init__(self, run: TaskRun, made: tuple[ContextChunk, ...]) -> None:
        self.objects: dict[str, Any] = {one.metadata.name: one for one in (run, *made)}

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        del resource, namespace
        if name not in self.objects:
            raise NotFound(404, "NotFound", f"{name} not found")
        return self.objects[name]


def a_long_run() -> tuple[TaskRun, tuple[ContextChunk, ...]]:
    asked = Message(role="assistant", content="A look.", tool_calls=(a_call("read"),))
    result = Message(role="tool", tool_call_id="call_1", name="read", content=RESULT)
    ended = Message(role="assistant", content="Much \x1b[31mred.")
    said = (*messages("You are helpful.", "Go."), asked, result, ended)
    run = a_run(phase=TaskRunPhase.FINAL_ANSWER, context=RunContext(tokens=900, trimmed_before=4))
    moved = chunks.moved(run, Transcript(said))
    assert moved is not None
    return run.with_status(**moved.rest.status()), moved.chunks


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf(*a_long_run())
    client: Any = shelf

    def run(options: argparse.Namespace, command: Callable[[Any], Awaitable[int]]) -> int:
        del options
        place: Any = clusters.Place(client, "default")

        async def carry_out() -> int:
            return await command(place)

        return asyncio.run(carry_out())

    monkeypatch.setattr(clusters, "run", run)
    return shelf


def said(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, str]:
    given = {"name": "hello-1", "as_sent": False, "output": "text"} | options
    assert conversation.run(argparse.Namespace(**given)) == 0
    done = capsys.readouterr()
    return done.out, done.err


def test_every_message_is_printed_with_its_place(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys)
    assert len(shelf.objects) > 1
    assert out.startswith("#0 system\nYou are helpful.\n\n#1 user\n")
    assert "#2 assistant\nA look.\ncall call_1: read {}\n" in out
    assert f"#3 tool read answers call_1\n{RESULT}\n" in out
    assert out.endswith("#4 assistant\nMuch red.\n"), "nothing drives the terminal"
    assert err == "5 messages, 4 of them in 1 ContextChunk(s) whose hashes are right\n"


def test_what_the_model_is_sent_is_shorter(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, as_sent=True)
    assert RESULT not in out
    assert '[300000 bytes of an older result are left out; message 3 of TaskRun "hello-1" has them]' in out
    assert err.endswith("; the model is sent 5, about 900 tokens\n")


def test_programs_get_the_messages_as_they_are_stored(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, output="json")
    data = json.loads(out)
    assert (data["run"], data["messageCount"], data["verifiedChunks"]) == ("hello-1", 5, 1)
    assert data["messages"][3]["content"] == RESULT


def test_a_chunk_that_was_changed_is_found(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    [name] = [name for name in shelf.objects if name != "hello-1"]
    chunk = shelf.objects[name]
    changed = (*chunk.spec.messages[:-1], chunk.spec.messages[-1].with_changes(content="He agreed."))
    shelf.objects[name] = chunk.model_copy(update={"spec": chunk.spec.with_changes(messages=changed)})
    with pytest.raises(Failure, match="does not have the content that was recorded"):
        said(capsys)


def test_a_chunk_that_is_gone_is_named(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    [name] = [name for name in shelf.objects if name != "hello-1"]
    del shelf.objects[name]
    with pytest.raises(Failure, match=f'ContextChunk "{name}" is gone'):
        said(capsys)
