"""What is found wrong with a rule before it ever runs. The words are compared with kube-apiserver's by conformance."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kubechain_apiserver.rules import rules

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "s": {"type": "string"},
        "b": {"type": "string", "format": "byte"},
        "d": {"type": "string", "format": "duration"},
        "namespace": {"type": "string"},
        "with-dash": {"type": "string"},
        "any": {"x-kubernetes-preserve-unknown-fields": True},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "by": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "inner": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}

RIGHT = [
    "self.n > 1 && self.n + 1 < 5 && self.n in [1, 2]",
    "self.s + 'a' == self.__namespace__",
    "self.with__dash__dash == 'a'",
    "self.b == b'a' && self.d < duration('1h')",
    "self.by.all(k, 'a' in self.by[k])",
    "self.by['a'][0] == 'b' && self.by.a.size() == 1",
    "self.parts.map(p, p.n).sum() > 1 && self.parts[0].n == 1",
    "self.parts.filter(p, p.n > 1).size() == 0 && self.parts.exists_one(p, p.n == 1)",
    "self.metadata.name == self.apiVersion",
    "self.inner.metadata.name == 'a' && self.inner.kind == 'K'",
    "self == oldSelf && self.parts == oldSelf.parts",
    "has(self.n) ? self.n == 1 : self.s == 'a'",
    "{'a': 1}.a == 1 && [1, 2].max() == 2",
    "type(self.n) == int && dyn(self.n) == 'a'",
    "self.?s.orValue('a') == 'a' && optional.of(self.n).value() == 1",
]
WRONG = {
    "self.any == 1": "1:5: undefined field 'any'",
    "self.inner.spec == 1": "1:11: undefined field 'spec'",
    "self.metadata.labels.a == 'a'": "1:14: undefined field 'labels'",
    "self.n.x == 1": "1:7: type 'int' does not support field selection",
    "self.by['a'] == ['b'] && self.by[1] == []": "1:33: found no matching overload for '_[_]' applied to "
    "'(map(string, list(string)), int)'",
    "self.by.exists(k, k == 1)": "1:21: found no matching overload for '_==_' applied to '(string, int)'",
    "self.parts.all(p, p == 1)": "1:21: found no matching overload for '_==_' applied to '(object, int)'",
    "self.n > 1 &&\n self.s": "1:12: found no matching overload for '_&&_' applied to '(bool, string)'",
    "self.n - 'a' == 1": "1:8: found no matching overload for '_-_' applied to '(int, string)'",
    "self.d > 1": "1:8: found no matching overload for '_>_' applied to '(duration, int)'",
    "self": "must evaluate to a bool",
    "size(self.s)": "must evaluate to a bool",
    "x.y.z == 1": "1:1: undeclared reference to 'x' (in container '')",
    "self.parts.all(p, q.n == 1)": "1:19: undeclared reference to 'q' (in container '')",
}


@pytest.mark.parametrize("rule", RIGHT)
def test_what_is_right_is_not_complained_of(rule: str) -> None:
    assert rules.compiled({"rule": rule}, SCHEMA, resource=True).wrong_rule == ""


@pytest.mark.parametrize(("rule", "error"), WRONG.items(), ids=WRONG.keys())
def test_what_is_wrong_is_found_where_it_stands(rule: str, error: str) -> None:
    said = rules.compiled({"rule": rule}, SCHEMA, resource=True).wrong_rule
    assert error in said
    assert said.count("ERROR") == len(re.findall(r"\d+:\d+", error))


def test_only_resources_have_metadata() -> None:
    assert rules.compiled({"rule": "has(self.metadata)"}, SCHEMA, resource=False).wrong_rule


def test_it_is_known_whether_the_old_value_is_read() -> None:
    assert rules.compiled({"rule": "self == oldSelf"}, SCHEMA, resource=True).uses_old
    assert not rules.compiled({"rule": "self.s == 'my oldSelfie'"}, SCHEMA, resource=True).uses_old
