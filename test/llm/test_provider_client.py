"""The whole client against a provider on loopback: answers, every way to fail, and nothing of the key in any of it."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import closing
from dataclasses import replace
from socket import socket

import httpx2
import pytest

from bench.mock_model import ANSWER
from kubechain.api.message import Message, ProviderData
from kubechain.llm import errors, silence
from kubechain.llm.client import Accepted, ToolDefinition
from kubechain.llm.pool import HttpPool
from kubechain.llm.provider_client import ProviderClient
from test.llm.builders import CANARY, a_target, user
from test.llm.conftest import Served

QUESTION = [user("What is the capital of the moon?")]


async def ask(client: ProviderClient, served: Served, model: str = "gpt-4o", *, timeout_seconds: float = 5) -> str:
    target = a_target(model, base_url=served.base_url)
    completion = await client.complete(target, QUESTION, timeout_seconds=timeout_seconds)
    return completion.message.content


async def test_the_model_answers(client: ProviderClient, provider: Served) -> None:
    assert await ask(client, provider) == ANSWER
    assert provider.mock.headers[0]["Authorization"] == f"Bearer {CANARY}"


async def test_the_model_calls_a_tool(client: ProviderClient, provider: Served) -> None:
    tool = ToolDefinition("add", "Adds.", {"type": "object"})
    target = a_target("tools", base_url=provider.base_url)
    completion = await client.complete(target, [user('Add {"a": 1}')], [tool], timeout_seconds=5)
    (call,) = completion.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("add", '{"a": 1}')


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("status-400", errors.RequestRefused),
        ("status-401", errors.AuthenticationFailed),
        ("status-404", errors.WrongAddress),
        ("status-500", errors.ServerFailed),
        ("status-529", errors.ServerFailed),
        ("quota", errors.QuotaExhausted),
        ("echo-key", errors.AuthenticationFailed),
        ("redirect", errors.WrongAddress),
        ("empty", errors.InvalidAnswer),
        ("no-choices", errors.InvalidAnswer),
        ("garbage", errors.InvalidAnswer),
        ("html", errors.WrongAddress),
        ("list", errors.InvalidAnswer),
        ("cut-call", errors.RequestRefused),
        ("huge", errors.InvalidAnswer),
        ("filtered", errors.RequestRefused),
        ("close", errors.ConnectionLost),
        ("truncate", errors.ConnectionLost),
    ],
)
async def test_each_failure_has_its_kind_and_hides_the_key(
    client: ProviderClient,
    provider: Served,
    caplog: pytest.LogCaptureFixture,
    model: str,
    kind: type[errors.LLMError],
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(errors.LLMError) as caught:
        await ask(client, provider, model)
    assert type(caught.value) is kind
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert CANARY[3:] not in shown


@pytest.mark.parametrize("model", ["hang", "drip"])
async def test_the_budget_ends_every_call(client: ProviderClient, provider: Served, model: str) -> None:
    with pytest.raises(errors.TimedOut, match=r"within 0\.2 s"):
        await ask(client, provider, model, timeout_seconds=0.2)


@pytest.mark.parametrize(
    ("model", "wait"), [("retry-after-7", 7), ("retry-after-ms-50", 0.05), ("reset-2m0s", 120), ("status-429", None)]
)
async def test_a_limited_rate_says_how_long(
    client: ProviderClient, provider: Served, model: str, wait: float | None
) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        await ask(client, provider, model)
    assert caught.value.retry_after_seconds == wait


async def test_a_failed_call_is_not_repeated(client: ProviderClient, provider: Served) -> None:
    with pytest.raises(errors.ServerFailed):
        await ask(client, provider, "flaky-1")
    assert provider.mock.statistics()["completions"] == 1
    assert await ask(client, provider, "flaky-1") == ANSWER


async def test_nobody_listens(client: ProviderClient) -> None:
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        target = a_target(base_url=f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        with pytest.raises(errors.Unreachable, match=r"unreachable: http://127\.0\.0\.1:\d+: connection refused"):
            await client.complete(target, QUESTION, timeout_seconds=5)


async def test_tls_to_a_server_without(client: ProviderClient, provider: Served) -> None:
    target = a_target(base_url=provider.base_url.replace("http:", "https:"))
    with pytest.raises(errors.Unreachable, match="no TLS connection"):
        await client.complete(target, QUESTION, timeout_seconds=5)


async def test_a_provider_of_a_later_release(client: ProviderClient) -> None:
    with pytest.raises(errors.InvalidTarget, match='not supported by this release: "another"'):
        await client.complete(replace(a_target(), provider="another"), QUESTION, timeout_seconds=5)
    with pytest.raises(errors.InvalidTarget):
        await client.check(replace(a_target(), provider="another"))


async def test_what_a_provider_refuses_to_have_back_is_left_out_once() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content.decode())
        if "c2lnbmVk" in seen[-1]:
            return httpx2.Response(400, json={"error": {"code": 400, "message": "Thought signature is not valid."}})
        body = {"candidates": [{"content": {"parts": [{"text": "Hi."}]}, "finishReason": "STOP"}]}
        return httpx2.Response(200, json=body)

    parts = [{"text": 6, "fields": {"thoughtSignature": "c2lnbmVk"}}]
    data = ProviderData(provider="google", model="gemini-3-pro", parts=tuple(parts))
    turns = [*QUESTION, Message(role="assistant", content="Hello.", provider_data=data), user("And?")]
    async with ProviderClient(HttpPool(transport=httpx2.MockTransport(answer))) as client:
        target = a_target("gemini-3-pro", provider="google")
        completion = await client.complete(target, turns, timeout_seconds=5)
    assert completion.message.content == "Hi."
    assert [("c2lnbmVk" in body) for body in seen] == [True, False]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="the provider does not say what is left"),
        pytest.param(
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12s"}, 12.0, id="nothing is left"
        ),
    ],
)
async def test_an_answer_says_that_the_rate_limit_is_used_up(headers: dict[str, str], seconds: float | None) -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=body, headers=headers))
    async with ProviderClient(HttpPool(transport=transport)) as client:
        completion = await client.complete(a_target(), QUESTION, timeout_seconds=5)
    assert completion.used_up_for_seconds == seconds


async def test_what_a_provider_needs_back_returns_to_the_same_model_only(
    client: ProviderClient, provider: Served
) -> None:
    target = a_target("reasoning", base_url=provider.base_url)
    turn = await client.complete(target, QUESTION, timeout_seconds=5)
    stored = Message.from_wire(turn.message.to_json())
    result = Message(role="tool", tool_call_id="call_mock1", content="1")
    for model in ("reasoning", "tools"):
        await client.complete(replace(target, model=model), [*QUESTION, stored, result], timeout_seconds=5)

    same, other = (body["messages"][1] for body in provider.mock.bodies[1:])
    signature = {"google": {"thought_signature": "c2lnbmVk"}}
    call = {"id": "call_mock1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    plain = {"role": "assistant", "content": None}
    assert same == plain | {"reasoning_content": "Let me think.", "tool_calls": [call | {"extra_content": signature}]}
    assert other == plain | {"tool_calls": [call]}


async def test_more_calls_than_one_pool_takes(provider: Served) -> None:
    provider.mock.latency_seconds = 0.05
    async with ProviderClient(HttpPool(shard_connections=2)) as client, asyncio.TaskGroup() as group:
        for _ in range(9):
            group.create_task(ask(client, provider))
    assert provider.mock.most_in_flight == 9


async def test_a_cancelled_call_is_cancelled_at_the_provider(client: ProviderClient, provider: Served) -> None:
    call = asyncio.create_task(ask(client, provider, "hang"))
    await provider.mock.wait_for_in_flight(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await provider.mock.wait_for_in_flight(0)
    assert provider.mock.cancelled == 1


async def test_a_server_cannot_give_us_cookies_for_the_next_tenant(client: ProviderClient, provider: Served) -> None:
    for _ in range(2):
        assert await ask(client, provider) == ANSWER  # each reply sets one
    assert all("Cookie" not in headers for headers in provider.mock.headers)


# --- the free check


async def test_a_good_key_and_model_pass(client: ProviderClient, provider: Served) -> None:
    assert await client.check(a_target(base_url=provider.base_url)) == Accepted()


async def test_a_wrong_key_is_found(client: ProviderClient, provider: Served) -> None:
    with pytest.raises(errors.AuthenticationFailed, match=r"HTTP 401: .*\[redacted\]"):
        await client.check(a_target(base_url=provider.base_url, key="wrong-key-1234567"))


async def test_a_missing_model_is_found(client: ProviderClient, provider: Served) -> None:
    with pytest.raises(errors.ModelNotFound, match='"unlisted"'):
        await client.check(a_target("unlisted", base_url=provider.base_url))


async def test_a_path_without_a_model_server_is_found(client: ProviderClient, provider: Served) -> None:
    with pytest.raises(errors.WrongAddress, match=r"/without-models/chat/completions: HTTP 404: .*: check baseUrl"):
        await client.check(a_target(base_url=provider.base_url + "/without-models"))


async def test_a_call_proves_a_model_and_is_refused_with_a_wrong_key(client: ProviderClient, provider: Served) -> None:
    assert await client.check(a_target(base_url=provider.base_url), is_billed=True) == Accepted()
    with pytest.raises(errors.AuthenticationFailed):
        await client.check(a_target(base_url=provider.base_url, key="wrong-key"), is_billed=True)


async def test_a_busy_llm_can_be_checked(client: ProviderClient, provider: Served) -> None:
    target = a_target("hang", base_url=provider.base_url)
    busy = asyncio.create_task(client.complete(target, QUESTION, timeout_seconds=60))
    await provider.mock.wait_for_in_flight(1)
    await client.check(target)
    busy.cancel()


async def test_a_reply_that_was_cut_for_its_silence_is_asked_for_as_a_stream(
    client: ProviderClient, provider: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE_SECONDS", 0.0)
    target = a_target("close", base_url=provider.base_url)
    for _ in range(2):
        with pytest.raises(errors.ConnectionLost):
            await client.complete(target, QUESTION, timeout_seconds=5)
    assert ["stream" in body for body in provider.mock.bodies] == [False, True]
