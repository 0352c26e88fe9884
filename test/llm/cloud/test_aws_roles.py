"""The role of a pod on EKS: its projected token becomes keys, which sign calls and are renewed before they end."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from kubechain.llm.client import Target
from kubechain.llm.cloud import aws
from kubechain.llm.errors import AuthenticationFailed, LLMError, Retryable
from kubechain.llm.provider_client import ProviderClient
from test.llm.cloud.endpoints import Clouds
from test.llm.cloud.sts import ROLE, Sts, a_cluster_token, secret_key, session_token
from test.llm.cloud.test_aws import a_bedrock_target, ask, is_signed

OTHER_SOURCES = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_ROLE_SESSION_NAME",
)


@pytest.fixture
async def sts() -> AsyncGenerator[Sts]:
    sts = Sts()
    runner = web.AppRunner(sts.app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{runner.addresses[0][1]}")
        yield sts
    await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod as the webhook of EKS makes it: the file of its token, and the variables."""
    file = tmp_path / "token"
    file.write_text(a_cluster_token())
    for name in OTHER_SOURCES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return file


@pytest.fixture
def target(clouds: Clouds, sts: Sts) -> Target:
    """A model whose server takes what the newest keys of the role sign."""

    def is_of_the_role(request: web.Request, body: bytes) -> bool:
        number = len(sts.tokens)
        sent = request.headers["x-amz-security-token"]
        return sent == session_token(number) and is_signed(request, body, secret=secret_key(number))

    clouds.check_call = is_of_the_role
    return a_bedrock_target(clouds, None)


Refusal = Callable[[], Awaitable[LLMError]]


@pytest.fixture
def refusal(client: ProviderClient, target: Target, token: Path, caplog: pytest.LogCaptureFixture) -> Refusal:
    """How a check of the LLM fails, which its status says: without the token, as the log and a traceback are."""

    async def refusal() -> LLMError:
        with pytest.raises(LLMError) as caught:
            await client.check(target)
        if text := read(token):
            assert text not in "".join(traceback.format_exception(caught.value))
            assert text not in caplog.text
        return caught.value

    return refusal


def write(token: Path, text: str) -> None:
    token.write_text(text)


def read(token: Path) -> str:
    return token.read_text() if token.exists() else ""


@pytest.mark.usefixtures("token")
async def test_the_token_of_the_pod_becomes_keys_that_later_calls_share(
    client: ProviderClient, sts: Sts, target: Target
) -> None:
    await client.check(target)
    assert [await ask(client, target) for _ in range(3)] == ["Moonville"] * 3
    assert sts.asked == 1


@pytest.mark.usefixtures("token")
async def test_calls_that_come_while_keys_are_fetched_wait_for_them(
    client: ProviderClient, sts: Sts, target: Target
) -> None:
    assert await asyncio.gather(*(ask(client, target) for _ in range(20))) == ["Moonville"] * 20
    assert sts.asked == 1


async def test_keys_are_renewed_before_they_end_with_the_token_that_the_pod_has_then(
    client: ProviderClient, sts: Sts, target: Target, token: Path
) -> None:
    sts.lifetime_seconds = 300.0
    await ask(client, target)
    write(token, a_cluster_token(jti="second"))
    await ask(client, target)
    assert len(sts.tokens) == 2
    assert sts.tokens[-1] == read(token)


@pytest.mark.usefixtures("token")
async def test_keys_that_are_refused_are_fetched_anew_once(
    client: ProviderClient, clouds: Clouds, sts: Sts, target: Target
) -> None:
    await ask(client, target)
    clouds.check_call = lambda request, _: request.headers["x-amz-security-token"] == session_token(2)
    assert await ask(client, target) == "Moonville"
    assert len(sts.tokens) == 2


@pytest.mark.parametrize(
    ("given", "code"),
    [
        pytest.param(a_cluster_token(lifetime_seconds=-60), "ExpiredTokenException", id="a token that has ended"),
        pytest.param(a_cluster_token(key="foreign"), "InvalidIdentityToken", id="a token of another cluster"),
        pytest.param(a_cluster_token(aud=["vault"]), "InvalidIdentityToken", id="a token for somebody else"),
        pytest.param(a_cluster_token(sub="system:serviceaccount:a:b"), "AccessDenied", id="another service account"),
        pytest.param("not a token", "InvalidIdentityToken", id="no token at all"),
    ],
)
async def test_the_status_says_what_sts_refuses_and_never_the_token(
    clouds: Clouds, refusal: Refusal, token: Path, given: str, code: str
) -> None:
    write(token, given)
    error = await refusal()
    assert isinstance(error, AuthenticationFailed)
    assert str(error) == f"token refused: the manager's own role: {code}"
    assert clouds.calls == []


async def test_a_token_that_is_good_again_heals_without_a_restart(
    client: ProviderClient, target: Target, token: Path, refusal: Refusal
) -> None:
    write(token, a_cluster_token(lifetime_seconds=-60))
    await refusal()
    write(token, a_cluster_token())
    assert await ask(client, target) == "Moonville"


@pytest.mark.usefixtures("sts")
async def test_a_file_that_is_missing_is_named_by_its_variable(token: Path, refusal: Refusal) -> None:
    await asyncio.to_thread(token.unlink)
    error = await refusal()
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)


async def test_a_token_without_a_role_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    monkeypatch.delenv("AWS_ROLE_ARN")
    assert "AWS_ROLE_ARN" in str(await refusal())


@pytest.mark.parametrize(("status", "code"), [(503, "ServiceUnavailable"), (400, "IDPCommunicationError")])
async def test_an_outage_of_sts_may_be_tried_again(
    client: ProviderClient, sts: Sts, target: Target, refusal: Refusal, status: int, code: str
) -> None:
    sts.refusal = (status, code)
    assert isinstance(await refusal(), Retryable)
    sts.refusal = None
    assert await ask(client, target) == "Moonville"


async def test_calls_that_wait_for_keys_share_a_refusal(
    client: ProviderClient, sts: Sts, target: Target, token: Path
) -> None:
    write(token, a_cluster_token(sub="system:serviceaccount:a:b"))
    ends = await asyncio.gather(*(ask(client, target) for _ in range(20)), return_exceptions=True)
    assert {type(end) for end in ends} == {AuthenticationFailed}
    assert sts.asked == 1


async def test_an_sts_that_never_answers_is_given_up(
    sts: Sts, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "READ_TIMEOUT_SECONDS", 0.2)
    sts.is_silent = True
    assert isinstance(await refusal(), Retryable)
    assert sts.asked == aws.ATTEMPTS
