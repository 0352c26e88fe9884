"""Signatures of webhooks, against the libraries of those who wrote the rules."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier
from standardwebhooks import Webhook

from kubechain.humans import signatures
from kubechain.humans.model import InvalidChannel
from kubechain.humans.signatures import BadSignature

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"type":"request.opened"}'
NOW = datetime.now(UTC)


def test_the_standard_s_own_library_takes_our_signature() -> None:
    key = signatures.webhook_key(SecretStr(SECRET))
    # The library reads the time itself, and the tests before this one may have taken minutes.
    headers = signatures.webhook_headers(key, "msg-1", BODY, datetime.now(UTC))
    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)


def test_we_take_the_signature_of_the_standard_s_own_library() -> None:
    signature = Webhook(SECRET).sign("msg-1", NOW, BODY.decode())
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1,other {signature}",
    }
    signatures.check_webhook(KEY, headers, BODY, NOW)


def test_slack_s_own_library_makes_the_signature_that_we_take() -> None:
    seconds = str(int(NOW.timestamp()))
    signature = SignatureVerifier("8f742231b10e8888abcd99yyyzzz85a5").generate_signature(timestamp=seconds, body=BODY)
    headers = {"x-slack-request-timestamp": seconds, "x-slack-signature": str(signature)}
    signatures.check_slack(SecretStr("8f742231b10e8888abcd99yyyzzz85a5"), headers, BODY, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"webhook-id": "msg-2"}, id="another id"),
        pytest.param({"webhook-id": ""}, id="no id"),
        pytest.param({"webhook-signature": ""}, id="no signature"),
        pytest.param({"webhook-signature": "v1,é"}, id="a signature with other characters"),
        pytest.param({"webhook-timestamp": ""}, id="no time"),
        pytest.param({"webhook-timestamp": "9" * 400}, id="an absurd time"),
        pytest.param({"webhook-timestamp": "²"}, id="a digit that is none"),
    ],
)
def test_a_changed_webhook_is_refused(changes: dict[str, str]) -> None:
    headers = signatures.webhook_headers(KEY, "msg-1", BODY, NOW) | changes
    with pytest.raises(BadSignature):
        signatures.check_webhook(KEY, headers, BODY, NOW)


@pytest.mark.parametrize("minutes", [pytest.param(6, id="a replayed one"), pytest.param(-6, id="one of the future")])
def test_a_webhook_of_another_time_is_refused(minutes: int) -> None:
    headers = signatures.webhook_headers(KEY, "msg-1", BODY, NOW)
    with pytest.raises(BadSignature):
        signatures.check_webhook(KEY, headers, BODY, NOW + timedelta(minutes=minutes))


def test_a_changed_body_or_another_key_is_refused() -> None:
    headers = signatures.webhook_headers(KEY, "msg-1", BODY, NOW)
    with pytest.raises(BadSignature):
        signatures.check_webhook(KEY, headers, BODY + b" ", NOW)
    with pytest.raises(BadSignature):
        signatures.check_webhook(KEY[::-1], headers, BODY, NOW)


@pytest.mark.parametrize(
    "secret", [pytest.param("tiny-key", id="too short"), pytest.param("whsec_%%%%", id="not base64 after the prefix")]
)
def test_a_bad_key_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(InvalidChannel) as caught:
        signatures.webhook_key(SecretStr(secret))
    assert secret not in str(caught.value)
