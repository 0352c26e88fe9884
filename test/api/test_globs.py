"""Which names a glob of a spec stands for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain.api import globs


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        pytest.param("get_time", "get_time", id="the name itself"),
        pytest.param("get_*", "get_time", id="a beginning"),
        pytest.param("get_*", "get_", id="a beginning, and nothing after it"),
        pytest.param("*_time", "get_time", id="an end"),
        pytest.param("*", "get_time", id="any name"),
        pytest.param("get_?ime", "get_time", id="one character"),
        pytest.param("g*_*e", "get_the_time", id="two gaps"),
        pytest.param("a*b*b", "abb", id="pieces that touch"),
        pytest.param("[ab]", "[ab]", id="brackets mean themselves"),
        pytest.param("get.time", "get.time", id="a dot means itself"),
        pytest.param("a*", "a\nb", id="any text, a line break too"),
    ],
)
def test_a_glob_stands_for_the_name(glob: str, name: str) -> None:
    assert globs.matches(glob, name)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        pytest.param("get", "get_time", id="a beginning without a star"),
        pytest.param("time", "get_time", id="an end without a star"),
        pytest.param("get_*", "target_time", id="what stands before the star is the beginning"),
        pytest.param("*_time", "get_times", id="what stands after the star is the end"),
        pytest.param("get_?", "get_", id="a question mark is one character, not none"),
        pytest.param("get_?", "get_ab", id="a question mark is one character, not two"),
        pytest.param("Get_*", "get_time", id="another case"),
        pytest.param("a*a", "a", id="a character counts once"),
        pytest.param("ab*ba", "aba", id="beginning and end do not overlap"),
        pytest.param("[ab]", "a", id="brackets are no set"),
        pytest.param("get.time", "get_time", id="a dot is not any character"),
    ],
)
def test_a_glob_does_not_stand_for_the_name(glob: str, name: str) -> None:
    assert not globs.matches(glob, name)


@given(glob=st.text("ab*?", max_size=7), name=st.text("ab", max_size=9))
def test_globs_are_regular_expressions_of_the_plainest_sort(glob: str, name: str) -> None:
    pattern = "".join({"*": ".*", "?": "."}.get(character, character) for character in glob)
    assert globs.matches(glob, name) == bool(re.fullmatch(pattern, name))


def test_many_stars_cost_no_more_than_the_product_of_the_lengths() -> None:
    assert not globs.matches("*a" * 128, "a" * 127 + "b" * 129)
