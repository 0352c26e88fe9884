"""Schemas of CustomResourceDefinitions: what kube-apiserver refuses in them, rule by rule, and what it takes."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import DEFINITIONS, definition, version
from packages.apiserver.conformance.steps import MERGE, Case, Json, case, delete, get, patch, post

_GROUP = "$ns.example.com"
_PATH = f"{DEFINITIONS}/things.{_GROUP}"
_STRICT = f"{DEFINITIONS}?fieldValidation=Strict"
_STRING: Json = {"type": "string"}
_OBJECT: Json = {"type": "object"}
_LIST = "x-kubernetes-list-type"
_KEYS = "x-kubernetes-list-map-keys"
_FREE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_EITHER = "x-kubernetes-int-or-string"
_RULES = "x-kubernetes-validations"
_TYPES = [{"type": "integer"}, {"type": "string"}]


def _thing(*versions: Json, **spec: Json) -> Json:
    made = definition("Thing", [*versions], group=_GROUP)
    return {**made, "spec": {**made["spec"], **spec}}


def _made(title: str, thing: Json, *, taken: bool = False) -> Case:
    """A definition that is refused, or taken, perhaps with warnings."""
    return case(title, post(DEFINITIONS, thing, pick=_pick(taken=taken)), delete(_PATH, quiet=True))


def _pick(*, taken: bool) -> tuple[str, ...]:
    return ("kind",) if taken else ()


def _root(title: str, schema: Json, *, taken: bool = False, **spec: Json) -> Case:
    return _made(title, _thing(version("v1", schema), **spec), taken=taken)


def _field(title: str, schema: Json, *, taken: bool = False) -> Case:
    return _root(title, {"type": "object", "properties": {"spec": schema}}, taken=taken)


def _rule(title: str, rule: str | Json, schema: Json | None = None, *, taken: bool = False) -> Case:
    rules = [{"rule": rule} if isinstance(rule, str) else rule]
    return _field(title, {**(schema or _RULED), _RULES: rules}, taken=taken)


def _changed(title: str, before: Json, change: Json, *, taken: bool = False) -> Case:
    return case(
        title,
        post(DEFINITIONS, before, quiet=True),
        # Names are fixed once it is established: it is served then.
        get(f"/apis/{_GROUP}/v1/things", until=200, quiet=True),
        patch(_PATH, MERGE, {"spec": change}, pick=_pick(taken=taken)),
        delete(_PATH, quiet=True),
    )


def _items(**more: Json) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": {"k": _STRING, "v": _STRING}, **more}}


_RULED: Json = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "ratio": {"type": "number"},
        "name": {"type": "string", "maxLength": 10},
        "on": {"type": "boolean"},
        "at": {"type": "string", "format": "date-time"},
        "either": {_EITHER: True},
        "dashed-name": {"type": "string", "maxLength": 10},
        "tags": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
        "labels": {
            "type": "object",
            "maxProperties": 5,
            "additionalProperties": {"type": "string", "maxLength": 10},
        },
        "ports": {
            "type": "array",
            "maxItems": 5,
            "items": {"type": "object", "properties": {"port": {"type": "integer"}}},
        },
    },
}

_STRUCTURE = [
    _root("the root has additionalProperties", {"type": "object", "additionalProperties": _STRING}),
    _root("the root is nullable", {"type": "object", "nullable": True}),
    _root("the root is free", {"type": "object", _FREE: True}, taken=True),
    _root("the root has a default", {"type": "object", "default": {}}),
    _root(
        "metadata says more than names",
        {"type": "object", "properties": {"metadata": {"type": "object", "nullable": True}}},
    ),
    _root(
        "metadata has labels",
        {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": _OBJECT}}}},
    ),
    _root(
        "metadata restricts the name",
        {
            "type": "object",
            "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 10}}}},
        },
        taken=True,
    ),
    _root("metadata is no object", {"type": "object", "properties": {"metadata": _STRING}}),
    _root("kind is no text", {"type": "object", "properties": {"kind": {"type": "integer"}}}),
    _root(
        "a default in metadata",
        {
            "type": "object",
            "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "default": "x"}}}},
        },
    ),
    _field("an item without a type", {"type": "array", "items": {}}),
    _field("a value without a type", {"type": "object", "additionalProperties": {"description": "x"}}),
    _field("a type that does not exist", {"type": "text"}),
    _field("the type null", {"type": "null"}),
    _field(
        "properties and additionalProperties",
        {"type": "object", "properties": {"a": _STRING}, "additionalProperties": _STRING},
    ),
    _field("properties and no others", {"type": "object", "properties": {"a": _STRING}, "additionalProperties": False}),
    _field(
        "properties and any others",
        {"type": "object", "properties": {"a": _STRING}, "additionalProperties": True},
        taken=True,
    ),
    _field("several schemas of items", {"type": "array", "items": [_STRING, _STRING]}),
    _field("unique items", {"type": "array", "items": _STRING, "uniqueItems": True}),
    _field("a reference", {"$ref": "#/definitions/x"}),
    _field("definitions", {"type": "object", "definitions": {"x": _STRING}}),
    _field("patternProperties", {"type": "object", "patternProperties": {"x": _STRING}}),
    _field("dependencies", {"type": "object", "dependencies": {"x": ["y"]}}),
    _field("additionalItems", {"type": "array", "items": _STRING, "additionalItems": True}),
    _field("an id", {"type": "object", "id": "x"}),
    _field("a $schema", {"type": "object", "$schema": "x"}),
    _field("a pattern that is none", {"type": "string", "pattern": "["}),
    _field("a pattern with an open group", {"type": "string", "pattern": "(a"}),
    _field("a pattern with a look-ahead", {"type": "string", "pattern": "^(?!x)"}),
    _field("a pattern with a back-reference", {"type": "string", "pattern": r"(a)\1"}),
    _field("a pattern that repeats nothing", {"type": "string", "pattern": "*a"}),
    _field("a pattern with a stray bracket", {"type": "string", "pattern": "a)"}),
    _field("a pattern with a look-behind", {"type": "string", "pattern": "(?<!x)y"}),
    _field("a pattern with an open look-behind and a bracket", {"type": "string", "pattern": "(?<=x>y)"}),
    _field("a pattern with an atomic group", {"type": "string", "pattern": "(?>x)"}),
    _field("a pattern that repeats too often", {"type": "string", "pattern": "a{1001}"}),
    _field("a pattern that repeats a repetition", {"type": "string", "pattern": "a**"}),
    _field("a pattern with a range that runs backwards", {"type": "string", "pattern": "[b-a]"}),
    _field("a pattern that ends in a backslash", {"type": "string", "pattern": "a\\"}),
    _field("a pattern with an unknown class", {"type": "string", "pattern": r"\p{Foo}"}),
    _field("a pattern that names a byte", {"type": "string", "pattern": r"\C"}),
    _field("a pattern with a bad name of a group", {"type": "string", "pattern": "(?P<n-1>a)"}),
    _field("a pattern with an unknown flag", {"type": "string", "pattern": "(?z)a"}),
    _field("a pattern with a Unicode class", {"type": "string", "pattern": r"^\p{L}+$"}, taken=True),
    _field("a pattern with a quotation", {"type": "string", "pattern": r"\Qa.b\E"}, taken=True),
    _field("a format that is not known", {"type": "string", "format": "phone"}, taken=True),
    _field(
        "formats that are known",
        {
            "type": "object",
            "properties": {"a": {"type": "string", "format": "date-time"}, "b": {"type": "integer", "format": "int32"}},
        },
        taken=True,
    ),
    _field("several mistakes", {"type": "array", "uniqueItems": True, _LIST: "bag", "nullable": True}),
]
_EXTENSIONS = [
    _field("int-or-string", {_EITHER: True}, taken=True),
    _field("int-or-string with its types", {_EITHER: True, "anyOf": _TYPES}, taken=True),
    _field(
        "int-or-string with its types and a pattern",
        {_EITHER: True, "allOf": [{"anyOf": _TYPES}, {"pattern": "x"}]},
        taken=True,
    ),
    _field("int-or-string that is also free", {_EITHER: True, _FREE: True}),
    _field("types in anyOf", {"type": "string", "anyOf": _TYPES}, taken=True),
    _field("free is false", {"type": "object", _FREE: False}),
    _field("an embedded resource", {"type": "object", _EMBEDDED: True, _FREE: True}, taken=True),
    _field("an embedded resource without fields", {"type": "object", _EMBEDDED: True}),
    _field("an embedded resource that is no object", {"type": "string", _EMBEDDED: True}),
    _field("an embedded resource without a type", {_EMBEDDED: True, _FREE: True}),
    _field(
        "an embedded resource with additionalProperties",
        {"type": "object", _EMBEDDED: True, "additionalProperties": _STRING},
    ),
    _field(
        "an embedded resource with a kind that is no text",
        {"type": "object", _EMBEDDED: True, "properties": {"kind": _OBJECT}},
    ),
    _field("a default of an embedded resource", {"type": "object", _EMBEDDED: True, _FREE: True, "default": {"a": 1}}),
    _field("a map type of a list", {**_items(), "x-kubernetes-map-type": "atomic"}),
    _field("a map type that does not exist", {"type": "object", "x-kubernetes-map-type": "loose"}),
    _field("a list type of an object", {"type": "object", _LIST: "atomic"}),
    _field("a list type without a type", {_LIST: "atomic", _FREE: True}),
    _field("a list type that does not exist", {"type": "array", "items": _STRING, _LIST: "bag"}),
    _field("a set of objects", {**_items(), _LIST: "set"}),
    _field("a set of atomic objects", {**_items(**{"x-kubernetes-map-type": "atomic"}), _LIST: "set"}, taken=True),
    _field(
        "a set of sets", {"type": "array", _LIST: "set", "items": {"type": "array", _LIST: "set", "items": _STRING}}
    ),
    _field("a set of what may be null", {"type": "array", _LIST: "set", "items": {"type": "string", "nullable": True}}),
    _field("keys without a list type", {**_items(required=["k"]), _KEYS: ["k"]}),
    _field("keys of a set", {"type": "array", "items": _STRING, _LIST: "set", _KEYS: ["k"]}),
    _field("keys that are not required", {**_items(), _LIST: "map", _KEYS: ["k"]}),
    _field("keys that are no fields", {**_items(required=["k"]), _LIST: "map", _KEYS: ["z"]}),
    _field("keys twice", {**_items(required=["k"]), _LIST: "map", _KEYS: ["k", "k"]}),
    _field(
        "a key that is an object",
        {
            "type": "array",
            _LIST: "map",
            _KEYS: ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": _OBJECT}},
        },
    ),
    _field(
        "a key that may be null",
        {
            "type": "array",
            _LIST: "map",
            _KEYS: ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string", "nullable": True}}},
        },
    ),
    _field("a list of texts with keys", {"type": "array", "items": _STRING, _LIST: "map", _KEYS: ["k"]}),
    _field(
        "a key with a default",
        {
            "type": "array",
            _LIST: "map",
            _KEYS: ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string", "default": "x"}}},
        },
        taken=True,
    ),
]
_LOGIC = [
    _field("a type in allOf", {"type": "object", "allOf": [_OBJECT]}),
    _field(
        "words in oneOf",
        {"type": "object", "oneOf": [{"description": "x", "title": "y", "nullable": True, "default": 1}]},
    ),
    _field("extensions in not", {"type": "object", "not": {_FREE: True, _LIST: "set", _RULES: [{"rule": "true"}]}}),
    _field(
        "a field in anyOf that stands nowhere else",
        {"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]},
        taken=True,
    ),
    _field(
        "a field in anyOf that stands outside too",
        {"type": "object", "properties": {"a": _STRING}, "anyOf": [{"properties": {"a": {"minLength": 1}}}]},
        taken=True,
    ),
    _field(
        "items in allOf that stand nowhere else",
        {"type": "object", "properties": {"a": _STRING}, "allOf": [{"items": {"minLength": 1}}]},
        taken=True,
    ),
    _field(
        "additionalProperties in allOf",
        {"type": "object", "additionalProperties": _STRING, "allOf": [{"additionalProperties": {"minLength": 1}}]},
    ),
    _root(
        "metadata in anyOf",
        {
            "type": "object",
            "properties": {"metadata": _OBJECT},
            "anyOf": [{"properties": {"metadata": {"required": ["labels"]}}}],
        },
    ),
    _field(
        "required in oneOf",
        {
            "type": "object",
            "properties": {"a": _STRING, "b": _STRING},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        taken=True,
    ),
]
_AT_ROOT = [
    _root(
        "a field in anyOf of the root that stands nowhere else",
        {"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]},
    ),
    _root(
        "items in not of the root that stand nowhere else",
        {
            "type": "object",
            "properties": {"a": {"type": "array", _FREE: True}},
            "not": {"properties": {"a": {"items": {"minLength": 1}}}},
        },
    ),
]
_DEFAULTS = [
    _field(
        "a default",
        {"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}},
        taken=True,
    ),
    _field("a default with an unknown field", {"type": "object", "default": {"z": 1}, "properties": {"a": _STRING}}),
    _field("a default that is too long", {"type": "string", "maxLength": 2, "default": "long"}),
    _field("a default that is not in the enum", {"type": "string", "enum": ["a"], "default": "b"}),
    _field("a default of the wrong type inside", {"type": "object", "default": {"a": 1}, "properties": {"a": _STRING}}),
    _field(
        "a default without what is required",
        {"type": "object", "required": ["a"], "default": {}, "properties": {"a": _STRING}},
    ),
    _field("a default of null", {"type": "string", "nullable": True, "default": None}, taken=True),
    _field("a default that a rule refuses", {"type": "integer", "default": 1, _RULES: [{"rule": "self > 5"}]}),
    _field(
        "a default in additionalProperties",
        {"type": "object", "additionalProperties": {"type": "string", "default": 1}},
        taken=True,
    ),
    _field("a default in items", {"type": "array", "items": {"type": "string", "default": 1}}),
]
_RULES_CASES = [
    _rule("a rule about a field that is not there", "self.nope > 1"),
    _rule("a rule about several fields that are not there", "self.nope > 1 || has(self.neither)"),
    _rule("a rule that compares a number with a text", "self.size == 'a'"),
    _rule("a rule that adds a number to a text", "self.name + self.size == 'a'"),
    _rule("a rule that is a number", "self.size"),
    _rule("a rule that is a text", "self.name"),
    _rule("a rule that breaks off", "self.size >"),
    _rule("a rule with a function that does not exist", "nope(self.size)"),
    _rule("a rule with a variable that does not exist", "other == 1"),
    _rule("a rule about an element", "self.ports.all(p, p.prt > 1)"),
    _rule("a rule about an element's type", "self.tags.exists(t, t == 1)"),
    _rule("a rule about a map", "self.labels.all(k, self.labels[k] == 1)"),
    _rule("a rule about a field of a text", "self.name.first == 'a'"),
    _rule("a rule that compares a text with null", "self.name == null"),
    _rule(
        "rules that are right",
        "self.size > 1.5 && self.name.startsWith('a') && self.ports.all(p, p.port > 1) && 'a' in self.tags",
        taken=True,
    ),
    _rule(
        "rules with escaped names",
        "self.dashed__dash__name == 'a' && self.either == 'a' && self.at > timestamp('2020-01-01T00:00:00Z')",
        taken=True,
    ),
    _rule("a method of texts on a number", "self.size.startsWith('a')"),
    _rule("a variable and a function that do not exist", "other.x == 1 && nope(self.neither)"),
    _rule("two values of a condition", "self.size > 1 ? 'a' : 1"),
    _rule("elements that were filtered", "self.tags.filter(t, t == 'a').all(t, t == 1)"),
    _rule("elements that were mapped", "self.ports.map(p, p.port).exists(p, p == 'a')"),
    _rule("a sum", "self.ports.map(p, p.port).sum() == 'a'"),
    _rule("an index that is a text", "self.tags['a'] == 'b'"),
    _rule("a negative text", "-self.name == 1"),
    _rule("an optional field that is not there", "self.?nope.orValue('a') == 'b'"),
    _rule("any type", "dyn(self.size) == 'a' && self.either > 1 && type(self.either) == int", taken=True),
    _rule("a rule with a dash", "self.dashed-name == 'a'"),
    _rule("an empty rule", " "),
    _rule("a message of nothing", {"rule": "self.on", "message": " "}),
    _rule("a message of two lines", {"rule": "self.on", "message": "a\nb"}),
    _rule("a rule of two lines without a message", {"rule": "self.on\n&& self.on"}),
    _rule("a mistake in the second line", {"rule": "self.on &&\n  self.off", "message": "m"}),
    _rule("a message expression that does not compile", {"rule": "self.on", "messageExpression": "self.nope"}),
    _rule("a message expression that is a number", {"rule": "self.on", "messageExpression": "self.size"}),
    _rule("a message expression of nothing", {"rule": "self.on", "messageExpression": " "}),
    _rule("a reason that does not exist", {"rule": "self.on", "reason": "Because"}),
    _rule("a path that leads nowhere", {"rule": "self.on", "fieldPath": ".nope"}),
    _rule("a path of nothing", {"rule": "self.on", "fieldPath": " "}),
    _rule("a path into a map", {"rule": "self.on", "fieldPath": ".labels['a']"}, taken=True),
    _rule("an optional old self that is not used", {"rule": "self.on", "optionalOldSelf": True}),
    _rule("an optional old self", {"rule": "oldSelf.hasValue() || self.on", "optionalOldSelf": True}, taken=True),
    _field(
        "a rule about old elements of a list",
        {"type": "array", "maxItems": 5, "items": {"type": "integer", _RULES: [{"rule": "self == oldSelf"}]}},
    ),
    _root(
        "a rule about metadata",
        {"type": "object", _RULES: [{"rule": "self.metadata.name == 'a' && self.metadata.labels.size() == 1"}]},
    ),
    _rule(
        "a rule about a schema that is wrong",
        "self.nope == 1",
        {"type": "object", "properties": {"a": {"type": "array"}}},
    ),
]
_BEYOND = [
    _rule(
        "a rule that costs too much",
        "self.all(a, self.all(b, a == b))",
        {"type": "array", "items": {"type": "string"}},
    ),
    _rule("a loop with two variables", "self.labels.all(k, v, k == v)", taken=True),
    _rule("a format by its name", "!format.named('uuid').value().validate(self.name).hasValue()", taken=True),
]
"""What the embedded server leaves out."""

_FUNCTIONS = (
    "isQuantity(self.quantity) && quantity(self.quantity).isGreaterThan(quantity('512Mi'))",
    "quantity(self.quantity).add(quantity('1Gi')) == quantity('2Gi')",
    "quantity(self.quantity).sub(quantity('1Ki')).compareTo(quantity('1Gi')) == -1",
    "sign(quantity('1500m')) == 1 && !quantity('1500m').isInteger() && quantity(self.quantity).asInteger() > 5",
    "isIP(self.ip) && ip(self.ip).family() == 4 && ip.isCanonical(self.ip)",
    "ip(self.ip).isLoopback() && !ip(self.ip).isUnspecified() && !ip(self.ip).isGlobalUnicast()",
    "isCIDR(self.cidr) && cidr(self.cidr).containsIP(self.ip) && cidr(self.cidr).prefixLength() == 8",
    "cidr(self.cidr).containsCIDR('127.1.0.0/16') && cidr(self.cidr).masked() == cidr('127.0.0.0/8')",
    "isURL(self.url) && url(self.url).getScheme() == 'https' && url(self.url).getHost() == 'example.com:8080'",
    "url(self.url).getHostname() == 'example.com' && url(self.url).getPort() == '8080'",
    "url(self.url).getEscapedPath() == '/a%20b' && url(self.url).getQuery() == {'k': ['1', '2']}",
    "isSemver(self.version) && semver(self.version).isLessThan(semver('1.10.0'))",
    "semver(self.version).major() == 1 && semver(self.version).compareTo(semver('1.9.0-rc.1')) == 1",
    "sets.contains(self.tags, ['b']) && sets.equivalent(self.tags, ['b', 'a']) && sets.intersects(self.tags, ['a'])",
    "self.tags.slice(0, 1) == ['a'] && self.tags.distinct() == ['a', 'b'] && self.tags.sort() == ['a', 'b']",
    "self.tags.isSorted() && self.tags.indexOf('b') == 1 && self.tags.lastIndexOf('c') == -1",
    "[[1], [2, 3]].flatten() == [1, 2, 3] && lists.range(3).sum() == 3 && [3, 1].min() == 1 && [3, 1].max() == 3",
    "self.version.find('[0-9]+') == '1' && self.version.findAll('[0-9]+') == ['1', '9', '0']",
    "self.tags.join('-') == 'a-b' && '%s %d'.format([self.version, 1]) == '1.9.0 1'",
    "self.ip.split('.')[0] == '127' && self.ip.replace('.', '') == '127001' && 'aB'.lowerAscii() == 'ab'",
)
_FUNCTIONS_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                **{name: {"type": "string", "maxLength": 40} for name in ("quantity", "ip", "cidr", "url", "version")},
                "tags": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 5}},
            },
            _RULES: [{"rule": rule} for rule in _FUNCTIONS],
        }
    },
}
_TRUE: Json = {
    "quantity": "1Gi",
    "ip": "127.0.0.1",
    "cidr": "127.0.0.0/8",
    "url": "https://example.com:8080/a%20b?k=1&k=2",
    "version": "1.9.0",
    "tags": ["a", "b"],
}
_FALSE: Json = {
    "quantity": "1",
    "ip": "10.0.0.1",
    "cidr": "10.1.0.0/16",
    "url": "http://a/b",
    "version": "2.0.0-rc.1",
    "tags": ["c"],
}
_THINGS = f"/apis/{_GROUP}/v1/namespaces/$ns/things"


def _object(spec: Json, **metadata: Json) -> Json:
    return {"apiVersion": f"{_GROUP}/v1", "kind": "Thing", "metadata": metadata, "spec": spec}


_LIBRARY = [
    case(
        "the functions that Kubernetes adds to CEL",
        post(DEFINITIONS, _thing(version("v1", _FUNCTIONS_SCHEMA)), pick=("kind",)),
        post(_THINGS, _object(_TRUE, name="a"), until=201, pick=("kind",)),
        post(_THINGS, _object(_FALSE, name="b")),
        delete(_PATH, quiet=True),
    ),
]
_PATTERNS = {
    "letters": r"^\p{L}+$",
    "digits": r"^\d+$",
    "space": r"^\s$",
    "edge": r"a\b",
    "nested": "^(a+)+$",
    "quoted": r"^\Qa.b\E$",
    "end": "^a$",
    "folded": "(?i)^straße$",
}
_MATCHING = case(
    "values of patterns",
    post(
        DEFINITIONS,
        _thing(
            version(
                "v1",
                {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "properties": {
                                **{name: {"type": "string", "pattern": text} for name, text in _PATTERNS.items()},
                                **{name: {"type": "string", "format": name} for name in ("hostname", "uuid")},
                                "found": {
                                    "type": "string",
                                    "maxLength": 40,
                                    _RULES: [{"rule": r"self.find('\\p{L}+') == self.findAll('\\p{L}+', 1)[0]"}],
                                },
                            },
                        }
                    },
                },
            )
        ),
        pick=("kind",),
    ),
    post(
        _THINGS,
        _object({"letters": "éß", "digits": "12", "edge": "aé", "nested": "aaa", "folded": "STRAßE"}, name="a"),
        until=201,
        pick=("kind",),
    ),
    *(
        post(_THINGS, _object({field: value}, name=f"x{index}"), pick=("message",))
        for index, (field, value) in enumerate(
            (
                ("letters", "a1"),
                ("digits", "\u0663"),
                ("space", "\u00a0"),
                ("space", "\t"),
                ("edge", "ab"),
                ("nested", "a" * 40 + "b"),
                ("quoted", "axb"),
                ("end", "a\n"),
                ("hostname", "a"),
                ("hostname", "example.com"),
                ("hostname", "пример.рф"),
                ("hostname", "example.com."),
                ("hostname", "a_b.com"),
                ("hostname", f"{'a' * 64}.com"),
                ("uuid", "0123456789ABCDEF0123456789abcdef"),
                ("uuid", "0123"),
                ("found", "1 élan 2"),
                ("space", "\x00\u200b\U000e0001"),
            )
        )
    ),
    delete(_PATH, quiet=True),
)
_PUBLISHED: Json = {
    "type": "object",
    "description": "A thing.",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["maybe", "sure"],
            "properties": {
                "maybe": {"type": "string", "nullable": True, "default": "x"},
                "sure": {"type": "string", "enum": ["a", "b"]},
                "free": {"type": "object", _FREE: True, "properties": {"a": _STRING}},
                "anything": {_FREE: True},
                "either": {_EITHER: True, "anyOf": [*_TYPES], "default": 1},
                "both": {_EITHER: True, "anyOf": [{"pattern": "a"}, {"pattern": "b"}]},
                "template": {"type": "object", _EMBEDDED: True, _FREE: True},
                "part": {"type": "object", _EMBEDDED: True, "required": ["spec"], "properties": {"spec": _OBJECT}},
                "limits": {"type": "object", "additionalProperties": {_EITHER: True, "pattern": "^[0-9]+$"}},
                "lists": {"type": "array", "items": {"type": "array", "items": _STRING, "nullable": True}},
                "checked": {"type": "string", _RULES: [{"rule": "self != ''"}], "example": "e"},
                "logic": {"type": "object", "not": {"required": ["x"]}, "allOf": [{"minProperties": 1}]},
            },
        }
    },
}
_API = "/openapi/v3/apis/$ns.example.com/v1"
_SCHEMA_NAME = "com.example.$ns.v1.Thing"


def _served(title: str, schema: Json, *, part: str) -> Case:
    """What OpenAPI says of a definition, once it says it."""
    return case(
        title,
        post(DEFINITIONS, _thing(version("v1", schema)), quiet=True),
        get(_API, until=200, pick=("components", "schemas", f"{_SCHEMA_NAME}{part}")),
        delete(_PATH, quiet=True),
    )


_OPENAPI = [
    _served("OpenAPI v3 of a definition", _PUBLISHED, part=""),
    _served("OpenAPI v3 of its list", _PUBLISHED, part="List"),
    _served("OpenAPI v3 of a definition of anything", {"type": "object", _FREE: True}, part=""),
    case(
        "OpenAPI v3 of a kind for the cluster, whose name begins with a vowel",
        post(DEFINITIONS, definition("Object", [version("v1", _OBJECT)], group=_GROUP, scope="Cluster"), quiet=True),
        get(_API, until=200, pick=("paths",)),
        delete(f"{DEFINITIONS}/objects.{_GROUP}", quiet=True),
        mask=r"Ns\d+n\d+",
    ),
]
_PARTS = [
    _made(
        "two versions of one schema", _thing(version("v1", _OBJECT), version("v2", _OBJECT, storage=False)), taken=True
    ),
    _made(
        "two versions, one schema wrong",
        _thing(version("v1", _OBJECT), version("v2", {"type": "object", "properties": {"a": {}}}, storage=False)),
    ),
    _made(
        "two versions, no schema in one",
        _thing(version("v1", _OBJECT), {"name": "v2", "served": True, "storage": False}),
    ),
    _made(
        "two versions, none stored",
        _thing(
            version("v1", {"type": "object", "description": "<a & b>"}, storage=False),
            version("v2", _OBJECT, storage=False),
        ),
    ),
    _made("a version's name", _thing(version("V1", _OBJECT))),
    _made("a warning of what is not deprecated", _thing({**version("v1", _OBJECT), "deprecationWarning": "x"})),
    _made("an empty warning", _thing({**version("v1", _OBJECT), "deprecated": True, "deprecationWarning": ""})),
    _made(
        "a column without a name, a type, a path",
        _thing({**version("v1", _OBJECT), "additionalPrinterColumns": [{"description": "x"}]}),
    ),
    _made(
        "a column's type, format and path",
        _thing(
            {
                **version("v1", _OBJECT),
                "additionalPrinterColumns": [{"name": "A", "type": "text", "format": "x", "jsonPath": "a"}],
            }
        ),
    ),
    _made(
        "a path to select by that leads nowhere",
        _thing({**version("v1", _OBJECT), "selectableFields": [{"jsonPath": ".spec.a"}]}),
    ),
    _made(
        "an object to select by",
        _thing(
            {
                **version("v1", {"type": "object", "properties": {"spec": _OBJECT}}),
                "selectableFields": [{"jsonPath": ".spec"}, {"jsonPath": ".spec"}],
            }
        ),
    ),
    _made(
        "a list to select by",
        _thing(
            {
                **version("v1", {"type": "object", "properties": {"spec": _items()}}),
                "selectableFields": [{"jsonPath": ".spec[0]"}, {}],
            }
        ),
    ),
    _made("scale without paths", _thing({**version("v1", _OBJECT), "subresources": {"scale": {}}})),
    _made(
        "scale with paths that are wrong",
        _thing(
            {
                **version("v1", _OBJECT),
                "subresources": {
                    "scale": {"specReplicasPath": ".a", "statusReplicasPath": "b", "labelSelectorPath": ".c"}
                },
            }
        ),
    ),
    _made(
        "a status, and a root that says too much",
        _thing({**version("v1", {"type": "object", "minProperties": 1}), "subresources": {"status": {}}}),
    ),
    _root("a group with one word", _OBJECT, group="example"),
    _root(
        "names that are none",
        _OBJECT,
        names={
            "plural": "Things",
            "singular": "thing!",
            "kind": "a b",
            "listKind": "a b",
            "shortNames": ["T"],
            "categories": ["C"],
        },
    ),
    _root("a conversion that does not exist", _OBJECT, conversion={"strategy": "Magic"}),
    _root("a conversion by a webhook without one", _OBJECT, conversion={"strategy": "Webhook"}),
    _root(
        "a webhook that is not used",
        _OBJECT,
        conversion={"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}},
    ),
    _root(
        "a webhook of two places",
        _OBJECT,
        conversion={
            "strategy": "Webhook",
            "webhook": {
                "conversionReviewVersions": ["v9", "v9"],
                "clientConfig": {"url": "http://x", "service": {"name": "a", "namespace": "b"}},
            },
        },
    ),
    _root("unknown fields are preserved", _OBJECT, preserveUnknownFields=True),
    case(
        "a group of Kubernetes",
        post(DEFINITIONS, definition("Thing", [version("v1", _OBJECT)], group="$ns.k8s.io")),
    ),
    case(
        "unknown fields of a schema",
        post(
            _STRICT,
            _thing(version("v1", {"type": "object", "properties": {"a": {"type": "string", "x-more": 1}}, "zest": 1})),
            pick=("message",),
        ),
    ),
    _field("a text for a list of names", {"type": "object", "required": "a"}),
    _field("a number for a text", {"type": "object", "description": 1}),
    _field("a list for fields", {"type": "object", "properties": []}),
    _field("a text for a schema", {"type": "object", "properties": {"a": "string"}}),
    _field("a text for items", {"type": "array", "items": "string"}),
    _field("a text for additionalProperties", {"type": "object", "additionalProperties": "string"}),
    _field("a text for a number", {"type": "string", "maxLength": "5"}),
]
_CHANGES = [
    _changed("the kind cannot change", _thing(version("v1", _OBJECT)), {"names": {"kind": "Other"}}),
    _changed("the plural cannot change", _thing(version("v1", _OBJECT)), {"names": {"plural": "others"}}),
    _changed("a stored version cannot go", _thing(version("v1", _OBJECT)), {"versions": [version("v2", _OBJECT)]}),
    _changed(
        "a schema becomes wrong",
        _thing(version("v1", _OBJECT)),
        {"versions": [version("v1", {"type": "object", "properties": {"a": {}}})]},
    ),
    _changed(
        "another version is stored",
        _thing(version("v1", _OBJECT)),
        {"versions": [version("v1", _OBJECT, storage=False), version("v2", _OBJECT)]},
        taken=True,
    ),
]

CASES = [
    *_STRUCTURE,
    *_EXTENSIONS,
    *_LOGIC,
    *_AT_ROOT,
    *_DEFAULTS,
    *_RULES_CASES,
    *_BEYOND,
    *_LIBRARY,
    _MATCHING,
    *_OPENAPI,
    *_PARTS,
    *_CHANGES,
]
