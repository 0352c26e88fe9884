"""Signatures for AWS: its published examples, botocore's own, and what reaches a server."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from aiohttp import web
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pydantic import SecretStr

from kubechain.llm.base_url import endpoint
from kubechain.llm.client import Target
from kubechain.llm.cloud import aws, sigv4
from kubechain.llm.cloud.aws import AwsGrant
from kubechain.llm.errors import AuthenticationFailed, InvalidTarget, Retryable
from kubechain.llm.exchange import HttpCall
from kubechain.llm.identity import IDENTITY_HOSTS, AwsKeys, KeyAsItIs, Signature, Surroundings
from kubechain.llm.provider_client import ProviderClient
from test.llm.builders import a_target, user
from test.llm.cloud.endpoints import Clouds

EXAMPLE = AwsKeys("AKIDEXAMPLE", SecretStr("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
SERVICE = Signature("us-east-1", "service")
MOMENT = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)
HOST = "https://example.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        pytest.param("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", id="get-vanilla"),
        pytest.param(
            "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", id="post-vanilla"
        ),
        pytest.param(
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
    ],
)
def test_the_published_examples(method: str, path: str, signature: str) -> None:
    call = sigv4.signed(HttpCall(method, HOST + path, {}), SERVICE, EXAMPLE, MOMENT)
    assert call.headers == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }


def test_the_canonical_request_of_the_published_example() -> None:
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    text = sigv4.canonical_request(HttpCall("GET", f"{HOST}/", {}), headers)
    lines = ["GET", "/", "", "host:example.amazonaws.com", "x-amz-date:20150830T123600Z", "", "host;x-amz-date"]
    assert text == "\n".join([*lines, hashlib.sha256(b"").hexdigest()])
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
    )


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time at which botocore signs."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: MOMENT.replace(tzinfo=None))
    return MOMENT


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://bedrock-mantle.eu-west-1.api.aws/openai/v1/chat/completions", None),
        ("https://bedrock-mantle.eu-west-1.api.aws/anthropic/v1/messages", "a-session-token=="),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-5%3A0/invoke?a=b%20c&A=", "t/+"),
        ("http://127.0.0.1:8080/a//b/~x/%2Fy?z=1&z=0", None),
    ],
)
def test_botocore_signs_the_same(url: str, token: str | None, moment: datetime) -> None:
    keys = replace(EXAMPLE, session_token=SecretStr(token) if token else None)
    headers, body = {"content-type": "application/json"}, b'{"model": "m"}'
    ours = sigv4.signed(HttpCall("POST", url, headers, body), replace(SERVICE, service="bedrock-mantle"), keys, moment)
    request: Any = AWSRequest("POST", url, headers=dict(headers), data=body)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.get_secret_value(), token)
    judge: Any = botocore.auth.SigV4Auth(credentials, "bedrock-mantle", "us-east-1")
    judge.add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert dict(ours.headers) == theirs


# --- over HTTP

EXPORTED = {"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "a-secret-key-of-aws-71"}


def a_bedrock_target(clouds: Clouds, secret: object) -> Target:
    key = None if secret is None else secret if isinstance(secret, str) else json.dumps(secret)
    return a_target("m", base_url=clouds.url, key=key, provider="bedrock", bedrock={"region": "eu-west-1"})


def is_signed(request: web.Request, body: bytes, *, secret: str = "a-secret-key-of-aws-71") -> bool:
    """Sign what came again, by botocore, at the time that it says."""
    given = request.headers["authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    covered = {name: request.headers[name] for name in names if name not in {"host", "x-amz-date"}}
    again: Any = AWSRequest(request.method, str(request.url), headers=covered, data=body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    judge: Any = botocore.auth.SigV4Auth(Credentials("AKIDEXAMPLE", secret), "bedrock-mantle", "eu-west-1")
    again.headers["X-Amz-Date"] = request.headers["x-amz-date"]
    text = judge.string_to_sign(again, judge.canonical_request(again))
    return given.endswith(judge.signature(text, again))


async def ask(client: ProviderClient, target: Target) -> str | None:
    return (await client.complete(target, [user("hello")], timeout_seconds=10)).message.content


async def test_keys_of_a_secret_sign_each_call(client: ProviderClient, clouds: Clouds) -> None:
    clouds.check_call = is_signed
    target = a_bedrock_target(clouds, EXPORTED)
    assert await ask(client, target) == "Moonville"
    await client.check(target)
    assert clouds.paths[0] == "/openai/v1/chat/completions"
    assert all("Credential=AKIDEXAMPLE/" in call for call in clouds.calls)


async def test_a_signature_by_a_wrong_key_is_refused_without_a_word_of_it(
    client: ProviderClient, clouds: Clouds
) -> None:
    clouds.check_call = is_signed
    with pytest.raises(AuthenticationFailed) as caught:
        await ask(client, a_bedrock_target(clouds, EXPORTED | {"SecretAccessKey": "another-secret-key-88"}))
    assert "another-secret-key-88" not in str(caught.value)
    assert len(clouds.calls) == 1


async def test_a_bedrock_key_is_sent_as_it_is(client: ProviderClient, clouds: Clouds) -> None:
    clouds.check_call = lambda request, _: request.headers["authorization"] == "Bearer ABSK-a-key"
    assert await ask(client, a_bedrock_target(clouds, "ABSK-a-key")) == "Moonville"


@pytest.mark.parametrize("secret", ["{", "{}", '{"AccessKeyId": "a"}', '{"AccessKeyId": "a", "SecretAccessKey": 1}'])
def test_a_secret_without_keys_is_refused(secret: str) -> None:
    with pytest.raises(InvalidTarget, match="apiKeyFrom"):
        AwsGrant("r", "s").way(SecretStr(secret), endpoint(HOST), Surroundings({}, str))


# --- the role of the manager's pod


@pytest.fixture
def own_role(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A pod with a role by the variables of its environment."""
    for name in ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key-of-aws-71")
    return monkeypatch


@pytest.mark.usefixtures("own_role")
async def test_the_role_of_the_pod_signs_where_there_is_no_secret(client: ProviderClient, clouds: Clouds) -> None:
    clouds.check_call = is_signed
    assert await ask(client, a_bedrock_target(clouds, None)) == "Moonville"


@pytest.mark.usefixtures("own_role")
async def test_the_role_does_not_sign_for_a_host_that_nobody_named(
    client: ProviderClient, clouds: Clouds, environ: dict[str, str]
) -> None:
    del environ[IDENTITY_HOSTS]
    with pytest.raises(InvalidTarget, match="does not get the manager's own identity"):
        await ask(client, a_bedrock_target(clouds, None))
    assert clouds.calls == []


async def test_a_pod_without_a_role_does_not_use_the_one_of_its_node(
    client: ProviderClient, clouds: Clouds, own_role: pytest.MonkeyPatch
) -> None:
    own_role.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InvalidTarget, match="the manager's pod has no role of AWS"):
        await ask(client, a_bedrock_target(clouds, None))


async def test_a_role_whose_keys_cannot_be_fetched_may_be_asked_again(
    client: ProviderClient, clouds: Clouds, own_role: pytest.MonkeyPatch
) -> None:
    own_role.delenv("AWS_ACCESS_KEY_ID")
    own_role.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/keys")
    with pytest.raises(Retryable, match="no keys of the manager's own role"):
        await ask(client, a_bedrock_target(clouds, None))


async def test_a_manager_without_botocore_says_what_to_install(
    client: ProviderClient, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(aws.importlib, "import_module", missing)
    with pytest.raises(InvalidTarget, match=r"install kubechain\[aws\]"):
        await ask(client, a_bedrock_target(clouds, None))


def test_the_host_says_the_name_of_the_service() -> None:
    runtime = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    targets = [
        a_target("m", base_url=url, provider="bedrock", bedrock={"region": "eu-west-1"}) for url in (None, runtime)
    ]
    assert [target.endpoint.grant for target in targets] == [
        AwsGrant("eu-west-1", "bedrock-mantle"),
        AwsGrant("eu-west-1", "bedrock"),
    ]
    assert targets[0].endpoint.base.url == "https://bedrock-mantle.eu-west-1.api.aws"
    assert AwsGrant("r", "s").way(SecretStr("key"), endpoint(HOST), Surroundings({}, str)) == KeyAsItIs()
