"""Values as Go prints them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubechain_apiserver.wire import gotext
from kubechain_apiserver.wire.field_errors import quote

VALUES: list[tuple[Any, str, str]] = [
    (None, "<nil>", "interface {}(nil)"),
    (True, "true", "true"),
    (5, "5", "5"),
    (2.5, "2.5", "2.5"),
    ("x", "x", '"x"'),
    ([1, "x", None], "[1 x <nil>]", '[]interface {}{1, "x", interface {}(nil)}'),
    ({"b": [1], "a": 2}, "map[a:2 b:[1]]", 'map[string]interface {}{"a":2, "b":[]interface {}{1}}'),
]


@pytest.mark.parametrize(("value", "plain", "syntax"), VALUES, ids=[plain for _, plain, _ in VALUES])
def test_a_value_is_printed_as_go_does(value: Any, plain: str, syntax: str) -> None:
    assert (gotext.plain(value), gotext.syntax(value)) == (plain, syntax)


def test_owners_are_in_the_order_of_their_struct() -> None:
    assert gotext.owners([{"uid": "1", "controller": True, "kind": "A<B"}]) == (
        '[{"kind":"A\\u003cB","uid":"1","controller":true}]'
    )


def test_what_a_patch_did_not_touch_is_in_the_order_of_its_struct() -> None:
    before = {"metadata": {"labels": {"b": "1", "a": "1"}, "name": "n"}, "data": {"z": "1", "a": "1"}}
    untouched = gotext.patched({**before, "b": 1}, before)
    assert untouched == ('{"b":1,"data":{"z":"1","a":"1"},"metadata":{"name":"n","labels":{"b":"1","a":"1"}}}')
    touched = gotext.patched({**before, "metadata": {**before["metadata"], "uid": "u"}}, before)
    assert list(json.loads(touched)["metadata"]) == ["labels", "name", "uid"]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("é 文", '"é 文"'),
        ('a"\\', '"a\\"\\\\"'),
        ("\t\n\v\x00\x7f", '"\\t\\n\\v\\x00\\x7f"'),
        ("\u00a0\u200b", '"\\u00a0\\u200b"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_a_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted
