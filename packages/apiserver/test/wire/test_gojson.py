"""What Go says of text that is no JSON, and which fields stand twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubechain_apiserver.wire import gojson


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a":1', "unexpected end of JSON input"),
        ("{nope", "invalid character 'n' looking for beginning of object key string"),
        ("nope", "invalid character 'o' in literal null (expecting 'u')"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("[,]", "invalid character ',' looking for beginning of value"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("['a']", "invalid character '\\'' looking for beginning of value"),
    ],
)
def test_syntax_errors_are_told_in_the_words_of_go(text: str, message: str) -> None:
    assert gojson.syntax_error(text.encode()) == message


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_nothing_is_wrong_with_json(value: object) -> None:
    text = json.dumps(value).encode()
    assert gojson.syntax_error(text) == ""
    assert gojson.duplicates(text) == []


def test_fields_that_stand_twice_are_found_with_their_paths() -> None:
    text = b'{"a":{"b":1,"b":2},"c":[{"d":1},{"d":1,"d":2,"d":3}],"a":{}}'
    assert gojson.duplicates(text) == ["a.b", "c[1].d", "a"]
