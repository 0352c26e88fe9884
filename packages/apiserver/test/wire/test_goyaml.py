"""YAML as Go's library reads it: each row is what that library says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubechain_apiserver.wire import goyaml

SCALARS = {
    "y": True,
    "off": False,
    "'y'": "y",
    "~": None,
    "": None,
    "nULL": "nULL",
    "1:30": "1:30",
    "0777": 511,
    "0o17": 15,
    "08": 8,
    "0x1F": 31,
    "-0b11": -3,
    "1_000": 1000,
    "1e3": 1000,
    "3.0": 3,
    ".5": 0.5,
    "+5": 5,
    "1.2.3": "1.2.3",
    "18446744073709551615": 18446744073709551615,
    "123456789012345678901234567890": 1.2345678901234568e29,
    "2020-01-01": "2020-01-01",
    "=": "=",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=SCALARS.keys())
def test_plain_scalars_mean_what_they_mean_to_go(text: str, value: object) -> None:
    found = goyaml.load(f"a: {text}".encode())["a"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_texts_in_order() -> None:
    assert json.dumps(goyaml.load(b"b: 1\n1: 2\ny: 3\n2.5: 4\n~: 5")) == (
        '{"1": 2, "2.5": 4, "b": 1, "null": 5, "true": 3}'
    )


PROBLEMS = {
    "a: b: c": "yaml: mapping values are not allowed in this context",
    "a:\n  b: c: d": "yaml: line 2: mapping values are not allowed in this context",
    "a: [": "yaml: line 1: did not find expected node content",
    "- a\nb: c": "yaml: line 1: did not find expected '-' indicator",
    "a:\n\tb: 1": "yaml: line 2: found character that cannot start any token",
    "a: \x01b": "yaml: control characters are not allowed",
    "? [x]\n: 2": 'yaml: invalid map key: []interface {}{"x"}',
}


@pytest.mark.parametrize(("text", "message"), PROBLEMS.items(), ids=map(repr, PROBLEMS))
def test_what_is_no_yaml_is_told_in_the_words_of_go(text: str, message: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        goyaml.load(text.encode())
    assert goyaml.problem(refused.value) == message


DOUBLED = {
    "a: 1\nb: 2": [],
    "a: 1\nb: 2\na: 3": ['  line 3: key "a" already set in map'],
    "b:\n  c: 1\n  c: {d: 1, d: 2}": ['  line 3: key "d" already set in map', '  line 3: key "c" already set in map'],
    "- {a: 1, a: 2}": ['  line 1: key "a" already set in map'],
    "1: x\n1: y\n'1': z": ["  line 2: key 1 already set in map"],
    "1: x\ntrue: y": [],
    "true: 1\ny: 2": ["  line 2: key true already set in map"],
    "a: &x {p: 1}\nb:\n  <<: *x\n  p: 2": ['  line 4: key "p" already set in map'],
}


@pytest.mark.parametrize(("text", "lines"), DOUBLED.items(), ids=map(repr, DOUBLED))
def test_doubled_keys_are_told_with_their_lines(text: str, lines: list[str]) -> None:
    assert goyaml.doubled_keys(text.encode()).splitlines()[1:] == lines


_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | _TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
)


@given(_VALUES)
def test_json_is_yaml(value: object) -> None:
    text = json.dumps(value).encode()
    assert goyaml.load(text) == value
    assert goyaml.doubled_keys(text) == ""


def _multiplied(levels: int, line: str, first: str) -> bytes:
    """A text each of whose lines has nine aliases of the line before."""
    names = [f"n{number}" for number in range(levels)]
    lines = [f"{names[0]}: &{names[0]} {first}"]
    lines += [
        f"{name}: &{name} {line.format(','.join([f'*{before}'] * 9))}" for before, name in itertools.pairwise(names)
    ]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("read", [goyaml.load, goyaml.doubled_keys])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(_multiplied(9, "[{}]", "[x]"), "document contains excessive aliasing", id="lists"),
        pytest.param(_multiplied(30, "{{a: [{}]}}", "{a: x}"), "document contains excessive aliasing", id="mappings"),
        pytest.param(_multiplied(30, "{{<<: [{}]}}", "{a: x}"), "document contains excessive aliasing", id="merges"),
        pytest.param(
            b"a: &a " + b"x" * 1_000_000 + b"\nb: [" + b"*a," * 99 + b"]",
            "document contains excessive aliasing",
            id="a few aliases of one long text",
        ),
        pytest.param(b"a: &a [*a]", "anchor value contains itself", id="itself"),
        pytest.param(b"[" * 100_000, "exceeded max depth of 100", id="nested lists"),
        pytest.param(b"{a: " * 20_000, "exceeded max depth of 100", id="nested mappings"),
        pytest.param(
            b"".join(b" " * depth + b"a:\n" for depth in range(300)), "exceeded max depth of 100", id="nested by lines"
        ),
    ],
)
def test_a_small_text_that_means_a_large_one_is_refused(
    read: Callable[[bytes], Any], text: bytes, problem: str
) -> None:
    with pytest.raises(yaml.YAMLError) as raised:
        read(text)
    assert goyaml.problem(raised.value) == f"yaml: {problem}"


def test_aliases_of_an_honest_document_are_read() -> None:
    text = b"a: &a {x: 1}\n" + b"".join(b"b%d: *a\n" % number for number in range(1_000))
    assert len(goyaml.load(text)) == 1_001
    assert goyaml.doubled_keys(text) == ""
