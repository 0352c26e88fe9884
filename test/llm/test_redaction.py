"""Providers' texts must be safe to show, the same with every try, and short."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest

from kubechain.llm.redaction import foreign_text
from kubechain.net.foreign import MESSAGE_CHARACTERS as MAX_FOREIGN_CHARACTERS
from test.llm.builders import CANARY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("No such model.", "No such model.", id="harmless text stays"),
        pytest.param(f"Bad key: {CANARY}.", "Bad key: [redacted].", id="the whole key goes"),
        pytest.param(f"{CANARY}", "[redacted]", id="nothing but the key"),
        pytest.param(f"key {CANARY[:12]}… is bad", "key [redacted]… is bad", id="the key's head goes"),
        pytest.param(f"key ending in {CANARY[-8:]}", "key ending in [redacted]", id="the key's tail goes"),
        pytest.param("Bad key: abcd****wxyz.", "Bad key: [redacted].", id="a masked key goes"),
        pytest.param("Bad key: sk-proj-othertenants", "Bad key: [redacted]", id="somebody else's key goes"),
        pytest.param(f"Bad key: {quote(CANARY + '/')[:-3]}", "Bad key: [redacted]", id="the key in a URL goes"),
        pytest.param(b64encode(CANARY.encode()).decode(), "[redacted]", id="the key in base64 goes"),
        pytest.param("key AIza0123456789abcdefghijkl", "key [redacted]", id="another provider's key goes"),
        pytest.param("failed (req_0123abcdef)", "failed (req_…)", id="request ids, new with each try, go"),
        pytest.param("id 0b6c5e5e-94c5-4cb4-b2c1-0f86e4d5a111", "id …", id="UUIDs go"),
        pytest.param("a\r\n\tb\x00c\x1b[31m", "a b c [31m", id="control characters become one space"),
    ],
)
def test_text_is_cleaned(text: str, shown: str) -> None:
    assert foreign_text(text, secret=CANARY) == shown


def test_text_is_cut() -> None:
    shown = foreign_text("ab " * 1000, secret=None)
    assert len(shown) == MAX_FOREIGN_CHARACTERS
    assert shown.endswith("…")


def test_a_key_at_the_cut_leaves_no_part() -> None:
    for offset in range(MAX_FOREIGN_CHARACTERS - 40, MAX_FOREIGN_CHARACTERS + 5):
        shown = foreign_text("-" * offset + CANARY + "!" * 50, secret=CANARY)
        assert not any(CANARY[i : i + 6] in shown for i in range(len(CANARY) - 5))


@pytest.mark.parametrize("secret", ["x", "none", "EMPTY"])
def test_a_short_key_goes_only_as_a_word(secret: str) -> None:
    assert foreign_text(f"exact nonentity EMPTYness {secret}", secret=secret) == "exact nonentity EMPTYness [redacted]"


def test_numbers_are_masked_on_request_but_not_in_names() -> None:
    first = foreign_text("gpt-4o: Limit 30000, Used 29001. Try again in 1.3s.", secret=None, mask_numbers=True)
    second = foreign_text("gpt-4o: Limit 30000, Used 28990. Try again in 6m12s.", secret=None, mask_numbers=True)
    assert first == second == "gpt-4o: Limit N, Used N. Try again in N."
