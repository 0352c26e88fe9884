"""Tokens from their endpoints to the header of a model call, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from google.oauth2 import service_account
from pydantic import SecretStr

from kubechain.llm.auth import BEARER
from kubechain.llm.base_url import endpoint
from kubechain.llm.client import Accepted, Target
from kubechain.llm.cloud.azure import EntraGrant
from kubechain.llm.cloud.google import SCOPE, TOKEN_URL, GoogleGrant
from kubechain.llm.errors import AuthenticationFailed, InvalidTarget, Retryable
from kubechain.llm.identity import IDENTITY_HOSTS, Grant, Surroundings, TokenSource
from kubechain.llm.provider_client import ProviderClient
from test.llm.builders import NOW, a_target, user
from test.llm.cloud.endpoints import EMAIL, Clouds, a_key, a_service_account, pem


def a_cloud_target(clouds: Clouds, grant: Grant, secret: object = None) -> Target:
    target = a_target(base_url=clouds.url, key=None)
    text = secret if isinstance(secret, str) else json.dumps(secret)
    key = None if secret is None else SecretStr(text)
    return replace(target, endpoint=replace(target.endpoint, auth=BEARER, grant=grant), api_key=key)


async def ask(client: ProviderClient, target: Target) -> str | None:
    return (await client.complete(target, [user("hello")], timeout_seconds=10)).message.content


def no_call_is_allowed(request: web.Request, body: bytes) -> bool:
    del request, body
    return False


# --- keys of service accounts


async def test_the_key_of_a_service_account_becomes_a_token_that_later_calls_share(
    client: ProviderClient, clouds: Clouds
) -> None:
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    assert [await ask(client, target) for _ in range(3)] == ["Moonville"] * 3
    assert [who for who, _ in clouds.grants] == [EMAIL]
    assert clouds.calls == [f"Bearer {clouds.grants[0][1]}"] * 3


async def test_calls_that_come_while_a_token_is_fetched_wait_for_it(client: ProviderClient, clouds: Clouds) -> None:
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    await asyncio.gather(*(ask(client, target) for _ in range(20)))
    assert (len(clouds.grants), len(clouds.calls)) == (1, 20)


async def test_two_identities_never_share_a_token(client: ProviderClient, clouds: Clouds) -> None:
    clouds.keys["other@moonville"] = a_key("second")
    first = a_service_account(f"{clouds.url}/token")
    second = a_service_account(f"{clouds.url}/token", email="other@moonville", key="second")
    targets = [a_cloud_target(clouds, GoogleGrant(), secret) for secret in (first, second)]
    for target in [*targets, *targets]:
        await ask(client, target)
    tokens = dict(clouds.grants)
    assert len(clouds.grants) == 2
    assert clouds.calls == [f"Bearer {tokens[EMAIL]}", f"Bearer {tokens['other@moonville']}"] * 2


async def test_a_token_is_renewed_before_it_ends(client: ProviderClient, clouds: Clouds) -> None:
    clouds.lifetime = 0
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    await ask(client, target)
    await ask(client, target)
    assert clouds.calls == [f"Bearer {token}" for _, token in clouds.grants]
    assert len(clouds.grants) == 2


async def test_a_token_that_is_refused_is_renewed_once(client: ProviderClient, clouds: Clouds) -> None:
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    await ask(client, target)
    clouds.revoked.add(clouds.grants[0][1])
    assert await ask(client, target) == "Moonville"
    assert len(clouds.grants) == 2
    assert len(clouds.calls) == 3


async def test_a_new_token_that_is_refused_is_not_tried_again(client: ProviderClient, clouds: Clouds) -> None:
    clouds.check_call = no_call_is_allowed
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    with pytest.raises(AuthenticationFailed) as caught:
        await ask(client, target)
    assert (len(clouds.grants), len(clouds.calls)) == (1, 1)
    assert clouds.grants[0][1] not in str(caught.value)


async def test_the_free_check_goes_with_a_token_too(client: ProviderClient, clouds: Clouds) -> None:
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    assert await client.check(target, is_billed=True) == Accepted()
    await client.check(target)
    assert len(clouds.grants) == 1


async def test_a_refused_assertion_says_who_refused_it_and_repeats_nothing(
    client: ProviderClient, clouds: Clouds
) -> None:
    secret = a_service_account(f"{clouds.url}/token", key="second")  # not the key of this account
    with pytest.raises(AuthenticationFailed) as caught:
        await ask(client, a_cloud_target(clouds, GoogleGrant(), secret))
    text = str(caught.value)
    assert text.startswith(f'token refused: {clouds.url}/token: HTTP 400: "Invalid JWT: InvalidSignatureError')
    assert "invalid_grant" in text
    assert "eyJ" not in text
    assert clouds.calls == []


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        pytest.param({"status": 503, "text": "later", "headers": {"retry-after": "7"}}, "HTTP 503", id="busy"),
        pytest.param({"status": 429, "text": "later", "headers": {"retry-after": "7"}}, "HTTP 429", id="too often"),
        pytest.param({"text": "<html>"}, "no JSON object", id="a page"),
        pytest.param({"text": '{"access_token": ""}'}, "holds none", id="an empty token"),
        pytest.param({"text": '{"access_token": "a\\nb"}'}, "holds none", id="a token with a line end"),
    ],
)
async def test_a_token_endpoint_that_fails_may_be_asked_again(
    client: ProviderClient, clouds: Clouds, reply: dict[str, Any], what: str
) -> None:
    clouds.refusal = lambda: web.Response(**reply)
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    with pytest.raises(Retryable, match=what) as caught:
        await ask(client, target)
    assert caught.value.usage is None  # no model was asked
    assert caught.value.retry_after_seconds == (7 if "headers" in reply else None)
    clouds.refusal = None
    assert await ask(client, target) == "Moonville"


async def test_calls_that_wait_share_the_failure_of_the_one_that_asked(client: ProviderClient, clouds: Clouds) -> None:
    asked: list[int] = []

    def refusal() -> web.Response:
        asked.append(1)
        return web.Response(status=503)

    clouds.refusal = refusal
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account(f"{clouds.url}/token"))
    results = await asyncio.gather(*(ask(client, target) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {Retryable}
    assert len(asked) == 1


async def test_a_token_endpoint_that_is_not_there_bills_nothing(client: ProviderClient, clouds: Clouds) -> None:
    target = a_cloud_target(clouds, GoogleGrant(), a_service_account("http://127.0.0.1:1/token"))
    with pytest.raises(Retryable, match=r"no token: http://127\.0\.0\.1:1/token: unreachable") as caught:
        await ask(client, target)
    assert caught.value.usage is None


def a_source(grant: Grant, secret: object, base_url: str = "https://europe-west4-aiplatform.googleapis.com/v1") -> Any:
    text = SecretStr(secret if isinstance(secret, str) else json.dumps(secret))
    return grant.way(text, endpoint(base_url), Surroundings({}, lambda path: Path(path).read_text()))


def test_the_assertion_is_the_one_that_googles_own_library_makes() -> None:
    fields = a_service_account(TOKEN_URL)
    source = a_source(GoogleGrant(), fields)
    assert isinstance(source, TokenSource)
    call = next(source.fetch(NOW))
    ours = dict(part.split("=", 1) for part in (call.body or b"").decode().split("&"))["assertion"]
    judge: Any = service_account.Credentials
    theirs = judge.from_service_account_info(fields, scopes=[SCOPE])._make_authorization_grant_assertion()

    def read(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        options: Any = {"verify_exp": False, "verify_iat": False}
        key = a_key("first").public_key()
        return jwt.get_unverified_header(assertion), jwt.decode(
            assertion, key, ["RS256"], audience=TOKEN_URL, options=options
        )

    (our_header, our_claims), (their_header, their_claims) = read(ours), read(theirs.decode())
    assert our_header == their_header
    assert our_claims.pop("exp") - our_claims.pop("iat") == their_claims.pop("exp") - their_claims.pop("iat")
    assert our_claims == their_claims
    assert (call.method, call.url) == ("POST", TOKEN_URL)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param({"token_uri": "https://evil.test/token"}, 'token_uri: "evil.test" is neither', id="another host"),
        pytest.param({"token_uri": "http://oauth2.googleapis.com/token"}, "is neither", id="in clear"),
        pytest.param(
            {"token_uri": "https://oauth2.googleapis.com.evil.test"}, "is neither", id="a host that begins so"
        ),
        pytest.param({"token_uri": "http://169.254.169.254/token"}, "token_uri", id="the metadata server"),
        pytest.param({"type": "external_account"}, "not the key of a service account", id="another type"),
        pytest.param({"client_email": ""}, "client_email: missing", id="no account"),
        pytest.param({"private_key": "secret-that-is-no-key"}, "private_key is not an RSA key", id="no key"),
    ],
)
def test_a_secret_that_must_not_or_cannot_be_used_is_refused(change: dict[str, str], what: str) -> None:
    with pytest.raises(InvalidTarget, match=what) as caught:
        next(a_source(GoogleGrant(), a_service_account(TOKEN_URL) | change).fetch(NOW))
    assert "secret-that-is-no-key" not in str(caught.value)
    assert pem(a_key("first"))[60:80] not in str(caught.value)


# --- the manager's own identity at Google


@pytest.fixture
def external_account(clouds: Clouds, environ: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    """Credentials of workload identity federation, in the file that the manager's environment names."""
    (tmp_path / "token").write_text(f"{clouds.federated}\n")
    fields = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/pool",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{clouds.url}/sts",
        "credential_source": {"file": str(tmp_path / "token")},
    }
    environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "credentials.json")
    (tmp_path / "credentials.json").write_text(json.dumps(fields))
    return fields


async def test_the_pods_projected_token_is_exchanged_and_read_anew_each_time(
    client: ProviderClient, clouds: Clouds, external_account: dict[str, Any], tmp_path: Path
) -> None:
    target = a_cloud_target(clouds, GoogleGrant())
    clouds.lifetime = 0
    assert await ask(client, target) == "Moonville"
    clouds.federated = "projected-token-of-the-pod-2"
    (tmp_path / "token").write_text(clouds.federated)
    assert await ask(client, target) == "Moonville"
    assert [who for who, _ in clouds.grants] == ["pod", "pod"]
    assert external_account["credential_source"]["file"].endswith("token")


async def test_a_service_account_is_impersonated_where_the_credentials_say_so(
    client: ProviderClient, clouds: Clouds, external_account: dict[str, Any], tmp_path: Path
) -> None:
    impersonation = {"service_account_impersonation_url": f"{clouds.url}/impersonate"}
    (tmp_path / "credentials.json").write_text(json.dumps(external_account | impersonation))
    target = a_cloud_target(clouds, GoogleGrant())
    assert [await ask(client, target), await ask(client, target)] == ["Moonville"] * 2
    assert [who for who, _ in clouds.grants] == ["pod", "impersonated"]
    assert clouds.calls == ["Bearer token-of-the-account"] * 2


async def test_the_managers_identity_is_not_sent_to_a_host_that_nobody_named(
    client: ProviderClient, clouds: Clouds, environ: dict[str, str], external_account: dict[str, Any]
) -> None:
    del environ[IDENTITY_HOSTS]
    with pytest.raises(InvalidTarget, match="does not get the manager's own identity: set apiKeyFrom"):
        await ask(client, a_cloud_target(clouds, GoogleGrant()))
    assert (clouds.grants, clouds.calls, external_account["type"]) == ([], [], "external_account")


async def test_a_manager_without_an_identity_wants_a_key(client: ProviderClient, clouds: Clouds) -> None:
    with pytest.raises(InvalidTarget, match="GOOGLE_APPLICATION_CREDENTIALS is not set"):
        await ask(client, a_cloud_target(clouds, GoogleGrant()))
    with pytest.raises(InvalidTarget, match="AZURE_FEDERATED_TOKEN_FILE is not set"):
        await ask(client, a_cloud_target(clouds, EntraGrant()))


# --- Entra


@pytest.fixture
def entra(clouds: Clouds, environ: dict[str, str], tmp_path: Path) -> Path:
    """What the webhook of Azure Workload Identity sets."""
    path = tmp_path / "azure-identity-token"
    path.write_text(clouds.federated)
    environ |= {
        "AZURE_AUTHORITY_HOST": f"{clouds.url}/",
        "AZURE_TENANT_ID": "tenant-1",
        "AZURE_CLIENT_ID": "client-1",
        "AZURE_FEDERATED_TOKEN_FILE": str(path),
    }
    return path


@pytest.mark.usefixtures("entra")
async def test_workload_identity_of_azure(client: ProviderClient, clouds: Clouds) -> None:
    target = a_cloud_target(clouds, EntraGrant())
    another = a_cloud_target(clouds, EntraGrant(client_id="client-2"))
    assert [await ask(client, one) for one in (target, another, target)] == ["Moonville"] * 3
    assert [who for who, _ in clouds.grants] == ["tenant-1/client-1", "tenant-1/client-2"]


@pytest.mark.usefixtures("entra")
async def test_a_clients_secret_for_azure(client: ProviderClient, clouds: Clouds) -> None:
    grant = EntraGrant(tenant_id="tenant-2", client_id="client-3")
    assert await ask(client, a_cloud_target(clouds, grant, "secret-of-the-client")) == "Moonville"
    assert [who for who, _ in clouds.grants] == ["tenant-2/client-3"]


@pytest.mark.usefixtures("entra")
async def test_a_wrong_secret_for_azure_is_refused_in_the_same_words_each_time(
    client: ProviderClient, clouds: Clouds
) -> None:
    grant = EntraGrant(tenant_id="tenant-2", client_id="client-3")
    with pytest.raises(AuthenticationFailed) as caught:
        await ask(client, a_cloud_target(clouds, grant, "a-wrong-secret-91"))
    assert "AADSTS7000215: Invalid client" in str(caught.value)
    assert "a-wrong-secret-91" not in str(caught.value)
    assert "Trace ID" not in str(caught.value)


async def test_a_token_of_azure_that_somebody_else_keeps_fresh_is_sent_as_it_is(
    client: ProviderClient, clouds: Clouds
) -> None:
    clouds.check_call = lambda request, _: request.headers["authorization"] == "Bearer given-token"
    assert await ask(client, a_cloud_target(clouds, EntraGrant(), "given-token")) == "Moonville"
    assert clouds.grants == []


@pytest.mark.parametrize(
    ("base_url", "url", "scope"),
    [
        (
            "https://mine.openai.azure.com",
            "https://login.microsoftonline.com/t/oauth2/v2.0/token",
            "cognitiveservices.azure.com",
        ),
        (
            "https://mine.openai.azure.us",
            "https://login.microsoftonline.us/t/oauth2/v2.0/token",
            "cognitiveservices.azure.us",
        ),
    ],
)
def test_the_cloud_of_a_resource_decides_who_gives_its_tokens(base_url: str, url: str, scope: str) -> None:
    call = next(a_source(EntraGrant("t", "c"), "secret", base_url).fetch(NOW))
    assert call.url == url
    assert scope in (call.body or b"").decode()


@pytest.mark.parametrize("tenant", ["../evil", "a/b", "x y", "a?b"])
def test_an_id_that_would_change_the_path_is_refused(tenant: str) -> None:
    with pytest.raises(InvalidTarget, match=r"openai\.tenantId: holds characters"):
        a_source(EntraGrant(tenant, "c"), "secret", "https://mine.openai.azure.com")
