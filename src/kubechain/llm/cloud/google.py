"""Access to Google Cloud: the key of a service account, or the manager's own credentials.

A Secret holds the JSON of a service account's key, or an access token. Without a Secret, the manager's file that
`GOOGLE_APPLICATION_CREDENTIALS` names is used: a key likewise, or `external_account` of workload identity federation,
whose token is a file (a projected token of the pod). Other sources of external accounts, and the metadata server, are
refused: an address that only serves attacks is not called (`net.addresses`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
from pydantic import SecretStr

from kubechain.llm import hosts
from kubechain.llm.base_url import Endpoint, endpoint
from kubechain.llm.cloud.oauth import form_call, json_of, token_from, token_of
from kubechain.llm.errors import InvalidTarget
from kubechain.llm.exchange import HttpCall
from kubechain.llm.identity import Fetch, KeyAsItIs, Surroundings, TokenSource, Way, check_own_identity, digest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 an address
CREDENTIALS_FILE = "GOOGLE_APPLICATION_CREDENTIALS"

ASSERTION_SECONDS = 3600
"""How long an assertion is good for: the most that Google takes."""

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 a name
_ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 a name

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GoogleGrant:
    """See `identity.Grant`."""

    def way(self, secret: SecretStr | None, base: Endpoint, around: Surroundings) -> Way:
        """See `Grant.way`."""
        if secret is None:
            return _own_identity(base, around)
        text = secret.get_secret_value().strip()
        if not text.startswith("{"):
            return KeyAsItIs()
        fields = _object(text, "apiKeyFrom")
        if fields.get("type") != "service_account":
            raise InvalidTarget(
                "apiKeyFrom: holds JSON that is not the key of a service account; credentials of another type are "
                f"taken from the manager's {CREDENTIALS_FILE} only"
            )
        return _service_account(fields, "apiKeyFrom", lambda url: _check_token_url(url, base))


def _own_identity(base: Endpoint, around: Surroundings) -> TokenSource:
    path = around.environ.get(CREDENTIALS_FILE)
    if not path:
        raise InvalidTarget(f"apiKeyFrom: required, because the manager has no identity: {CREDENTIALS_FILE} is not set")
    check_own_identity(base, around, is_official=hosts.is_vertex(base.host))
    fields = _object(around.text_of(path, named_by=CREDENTIALS_FILE), CREDENTIALS_FILE)
    match fields.get("type"):
        case "service_account":
            return _service_account(fields, CREDENTIALS_FILE, lambda _: None)
        case "external_account":
            return _external_account(fields, around)
        case other:
            raise InvalidTarget(f'{CREDENTIALS_FILE}: type "{str(other)[:32]}" is not supported')


def _check_token_url(url: str, base: Endpoint) -> None:
    """Refuse a token endpoint that is neither Google's nor on the host that the LLM's own baseUrl names."""
    try:
        host = endpoint(url).host
    except InvalidTarget as error:
        raise InvalidTarget(str(error).replace("baseUrl", "apiKeyFrom: token_uri", 1)) from None
    if host == base.host or (hosts.gives_google_tokens(host) and url.startswith("https://")):
        return
    raise InvalidTarget(f'apiKeyFrom: token_uri: "{host[:128]}" is neither a host of Google nor the one of baseUrl')


def _service_account(fields: Fields, where: str, check_url: Callable[[str], None]) -> TokenSource:
    email, key = _text(fields, "client_email", where), _text(fields, "private_key", where)
    url = str(fields.get("token_uri") or TOKEN_URL)
    check_url(url)
    key_id = str(fields.get("private_key_id") or "")

    def fetch(now: datetime) -> Fetch:
        assertion = _assertion(email, key, key_id, url, now)
        reply = yield form_call(url, {"grant_type": _JWT_BEARER, "assertion": assertion})
        return token_of(url, reply, secret=assertion)

    return TokenSource(digest("google", email, key, key_id, url), fetch)


def _assertion(email: str, key: str, key_id: str, url: str, now: datetime) -> str:
    import jwt  # with cryptography it takes 23 MB, and few managers need it

    issued = int(now.timestamp())
    claims = {"iss": email, "scope": SCOPE, "aud": url, "iat": issued, "exp": issued + ASSERTION_SECONDS}
    try:
        return jwt.encode(claims, key, "RS256", {"kid": key_id} if key_id else None)
    except (ValueError, TypeError, jwt.PyJWTError):
        # Not chained: the error may repeat the key.
        raise InvalidTarget("service account: private_key is not an RSA key in PEM form") from None


def _external_account(fields: Fields, around: Surroundings) -> TokenSource:
    source = cast("Fields", fields.get("credential_source") or {})
    if not isinstance(path := source.get("file"), str):
        raise InvalidTarget(f"{CREDENTIALS_FILE}: credential_source: only a file is supported")
    url = _text(fields, "token_url", CREDENTIALS_FILE)
    impersonation = fields.get("service_account_impersonation_url")

    def fetch(now: datetime) -> Fetch:
        subject = _subject_token(around.text_of(path, named_by="credential_source.file"), source)
        request = {
            "grant_type": _TOKEN_EXCHANGE,
            "audience": _text(fields, "audience", CREDENTIALS_FILE),
            "scope": SCOPE,
            "requested_token_type": _ACCESS_TOKEN_TYPE,
            "subject_token": subject,
            "subject_token_type": _text(fields, "subject_token_type", CREDENTIALS_FILE),
        }
        reply = yield form_call(url, request)
        token = token_of(url, reply, secret=subject)
        if impersonation is None:
            return token
        return (yield from _impersonated(str(impersonation), token.value.get_secret_value(), now))

    return TokenSource(digest("google-external", *(f"{name}={fields[name]}" for name in sorted(fields))), fetch)


def _impersonated(url: str, token: str, now: datetime) -> Fetch:
    headers = {"accept": "application/json", "content-type": "application/json", "authorization": f"Bearer {token}"}
    body = orjson.dumps({"scope": [SCOPE], "lifetime": f"{ASSERTION_SECONDS}s"})
    reply = yield HttpCall("POST", url, headers, body)
    given = json_of(url, reply, secret=token)
    return token_from(url, given.get("accessToken"), _seconds_until(given.get("expireTime"), now))


def _seconds_until(text: object, now: datetime) -> float:
    try:
        return (datetime.fromisoformat(str(text)) - now).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _subject_token(text: str, source: Fields) -> str:
    form = cast("Fields", source.get("format") or {})
    if form.get("type") != "json":
        return text
    name = str(form.get("subject_token_field_name") or "")
    return _text(_object(text, "credential_source.file"), name, "credential_source.file")


def _object(text: str, where: str) -> Fields:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise InvalidTarget(f"{where}: is not a JSON object")
    return cast("Fields", value)


def _text(fields: Fields, name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidTarget(f"{where}: {name}: missing")
    return value
