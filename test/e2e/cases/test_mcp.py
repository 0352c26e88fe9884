"""What MCP servers do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import pytest

from test.e2e.cases.rows import MCP, missing

ELSEWHERE: dict[str, str] = {}
"""Why a kind has no test here, by kind."""


@pytest.mark.xfail(reason="kinds of the page are still without a test", strict=True)
def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(MCP, __name__, ELSEWHERE)
