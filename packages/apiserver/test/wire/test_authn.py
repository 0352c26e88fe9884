"""Who sends a request."""

from __future__ import annotations

import time

from kubechain_apiserver.wire.authn import ADMINISTRATOR, ANONYMOUS, Tokens, User, new_token

TOKEN = "the-token"


def test_the_bearer_of_the_token_is_the_administrator() -> None:
    assert Tokens(TOKEN).authenticate(f"Bearer {TOKEN}") == ADMINISTRATOR
    assert Tokens(TOKEN).authenticate(f"bearer  {TOKEN} ") == ADMINISTRATOR


def test_nobody_else_is_known() -> None:
    tokens = Tokens(TOKEN)
    for header in ("Bearer x", "Bearer é", "Bearer a.b.c"):
        assert tokens.authenticate(header) is None


def test_who_has_no_token_is_anybody() -> None:
    for header in ("", "Bearer ", "Bearer", TOKEN, f"Basic {TOKEN}"):
        assert Tokens(TOKEN).authenticate(header) is ANONYMOUS


def test_a_service_account_is_known_by_its_token_until_it_expires() -> None:
    tokens, now = Tokens(TOKEN), time.time()
    issued = tokens.issue("ns", "manager", uid="u", now=now, expires=now + 600)
    groups = ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert tokens.authenticate(f"Bearer {issued}") == User("system:serviceaccount:ns:manager", groups)
    expired = tokens.issue("ns", "manager", uid="u", now=now - 700, expires=now - 100)
    assert tokens.authenticate(f"Bearer {expired}") is None
    assert Tokens("another").authenticate(f"Bearer {issued}") is None


def test_secrets_do_not_show_in_a_representation() -> None:
    assert TOKEN not in repr(Tokens(TOKEN))


def test_tokens_are_long_and_new() -> None:
    assert len(new_token()) >= 40
    assert new_token() != new_token()
