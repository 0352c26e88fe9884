"""Signed links: what they say is what was signed, and nothing else is taken."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kubechain.humans import links
from kubechain.humans.links import BadLink, Link
from kubechain.humans.model import InvalidChannel

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = b"k" * 32
LINK = Link(
    namespace="default", name="hello-1-t0-c0", uid="u-1", channel="ops", digest="sha256:00", choice="Approve",
    expires_at=NOW + timedelta(days=7), nonce="n",
)  # fmt: skip


def test_a_link_says_what_was_signed() -> None:
    assert links.verified(links.token(KEY, LINK), KEY, NOW) == LINK
    assert links.address("https://x.example/base/", KEY, LINK).startswith("https://x.example/base/contact/decide/")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"choice": "Reject"}, id="another choice"),
        pytest.param({"uid": "u-2"}, id="another request"),
        pytest.param({"namespace": "other"}, id="another namespace"),
        pytest.param({"channel": "other"}, id="another channel"),
        pytest.param({"digest": "sha256:11"}, id="another digest"),
        pytest.param({"expires_at": NOW + timedelta(days=70)}, id="a longer life"),
    ],
)
def test_a_changed_link_is_refused(changes: dict[str, object]) -> None:
    payload = links.token(KEY, replace(LINK, **changes)).partition(".")[0]  # pyright: ignore[reportArgumentType]
    signature = links.token(KEY, LINK).partition(".")[2]
    with pytest.raises(BadLink):
        links.verified(f"{payload}.{signature}", KEY, NOW)


def test_an_expired_link_and_one_of_another_key_are_refused() -> None:
    token = links.token(KEY, LINK)
    with pytest.raises(BadLink):
        links.verified(token, KEY, LINK.expires_at)
    with pytest.raises(BadLink):
        links.verified(token, b"o" * 32, NOW)


@given(st.text(max_size=300))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadLink):
        links.verified(text, KEY, NOW)


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists, max_leaves=12))
def test_any_other_payload_is_refused(payload: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    with pytest.raises(BadLink):
        links.verified(f"{text}.x", KEY, NOW)


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidChannel) as caught:
        links.checked_key(SecretStr("tooshort"))
    assert "tooshort" not in str(caught.value)
