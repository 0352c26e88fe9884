"""The local model as a child process. What it says is never asserted on: it is small and says anything."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic

from kubechain.llm import errors
from kubechain.llm.client import Accepted, Target, Unverified
from kubechain.llm.provider_client import ProviderClient
from kubechain.localmodel import LocalModel, LocalModelError
from kubechain.localmodel.modelfile import is_present
from kubechain.tools import typedanswers
from test.llm.builders import a_target, user

needs_model = pytest.mark.skipif(
    find_spec("xllamacpp") is None or not is_present(),
    reason="needs the extra embedded-model, and: python -m kubechain.localmodel fetch",
)

PARENT_THAT_IS_KILLED = """
import asyncio, os, signal
from kubechain.localmodel import LocalModel

async def main():
    model = LocalModel()
    await model.start()
    print(model.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncGenerator[LocalModel]:
    async with LocalModel() as model:
        yield model


def small(model: LocalModel, name: str = "gpt-4o") -> Target:
    return a_target(name, base_url=model.base_url, key=None, parameters={"maxTokens": 8, "topK": 10})


@needs_model
@pytest.mark.asyncio(loop_scope="module")
async def test_it_answers(model: LocalModel) -> None:
    async with ProviderClient() as client:
        completion = await client.complete(small(model), [user("What is the capital of the moon?")], timeout_seconds=60)
    assert completion.message.content
    assert 0 < completion.usage.output_tokens <= 8


def over_messages(model: LocalModel, **parameters: Any) -> Target:
    """The same model over Anthropic's format, which the engine speaks as well."""
    parameters = {"maxTokens": 16} | parameters
    return a_target("gpt-4o", provider="anthropic", base_url=model.base_url, key=None, parameters=parameters)


@needs_model
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", ["Never", "Always"])
async def test_it_answers_over_the_format_of_anthropic(model: LocalModel, stream: str) -> None:
    async with ProviderClient() as client:
        answer = await client.complete(
            over_messages(model, stream=stream), [user("Once upon a time")], timeout_seconds=60
        )
        assert isinstance(await client.check(over_messages(model)), Accepted)
    assert answer.message.content.strip()
    assert answer.usage.input_tokens > 0
    assert 0 < answer.usage.output_tokens <= 16


@needs_model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_stream_that_begins_with_a_part_of_a_character_is_whole(model: LocalModel) -> None:
    """The engine leaves `message_start` out of its own stream where the first token is a part of an emoji."""
    question = "Answer with five emoji only: 🌟🌍🌊🌈🌍"
    async with (
        AsyncAnthropic(base_url=model.base_url.removesuffix("/v1"), api_key="none", max_retries=0) as client,
        client.messages.stream(
            model="gpt-4o", max_tokens=16, messages=[{"role": "user", "content": question}]
        ) as stream,
    ):
        message = await stream.get_final_message()
    read = message.usage.cache_read_input_tokens or 0
    assert message.usage.input_tokens + read > 0
    assert 0 < message.usage.output_tokens <= 16
    assert message.content


@needs_model
@pytest.mark.asyncio(loop_scope="module")
async def test_it_lists_its_names_and_no_others(model: LocalModel) -> None:
    async with ProviderClient() as client:
        for name in ("gpt-4o", "SmolLM2-135M-Instruct"):
            assert isinstance(await client.check(small(model, name)), Accepted)
        assert isinstance(await client.check(small(model, "other")), Unverified)


@needs_model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_conversation_that_is_too_long_is_refused(model: LocalModel) -> None:
    async with ProviderClient() as client:
        with pytest.raises(errors.RequestRefused, match="exceeds the available context"):
            await client.complete(small(model), [user("moon " * 6000)], timeout_seconds=60)


@needs_model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_taken_port_is_said(model: LocalModel) -> None:
    port = int(model.base_url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(LocalModelError, match=f"does not start on port {port}"):
        await LocalModel(port=port).start()


@needs_model
async def test_stopping_ends_the_child() -> None:
    model = LocalModel()
    await model.start()
    pid = model.pid
    assert pid is not None
    await model.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="not running"):
        _ = model.base_url
    await model.stop()


@needs_model
async def test_a_child_that_dies_is_noticed() -> None:
    async with LocalModel() as model:
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        assert await model.wait() == -signal.SIGKILL


@needs_model
async def test_the_child_goes_with_a_parent_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT_THAT_IS_KILLED, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert await parent.wait() == -signal.SIGKILL
    await asyncio.to_thread(_wait_until_gone, child)


def _wait_until_gone(pid: int) -> None:
    """The kernel tells by a file descriptor; polling would need sleeps."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 10)[0], "the child outlives its parent"
    finally:
        os.close(descriptor)


async def test_a_missing_file_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("xllamacpp") is None:
        pytest.skip("needs the extra embedded-model")
    monkeypatch.setenv("KUBECHAIN_CACHE", str(tmp_path))
    with pytest.raises(LocalModelError, match=r"is not in .*: python -m kubechain\.localmodel fetch"):
        await LocalModel().start()


async def test_a_missing_engine_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_: str) -> None: ...

    monkeypatch.setattr("kubechain.localmodel.server.find_spec", find_nothing)
    with pytest.raises(LocalModelError, match=r"pip install 'kubechain\[embedded-model\]'"):
        await LocalModel().start()


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}, "isFar": {"type": "boolean"}},
    "required": ["city", "people", "isFar"],
    "additionalProperties": False,
}


@needs_model
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", ["Never", "Always"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_an_answer_has_the_form_that_is_asked_for(model: LocalModel, provider: str, stream: str) -> None:
    parameters = {"maxTokens": 200, "stream": stream}
    target = a_target("gpt-4o", provider=provider, base_url=model.base_url, key=None, parameters=parameters)
    async with ProviderClient() as client:
        question = [user("Tell me of Paris: its name, how many people live there, and whether it is far.")]
        completion = await client.complete(target, question, timeout_seconds=120, output_schema=CITY)
    assert typedanswers.parse(completion.message.content, CITY).keys() == {"city", "people", "isFar"}
    assert completion.usage.input_tokens > 0
    assert completion.usage.output_tokens > 0
