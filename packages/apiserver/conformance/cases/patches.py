"""Merge, JSON and strategic merge patches."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, CORE, LEASES, SECRETS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import JSON_PATCH, MERGE, STRATEGIC, Case, Json, case, get, patch, post

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)
_MAP = post(CONFIG_MAPS, config_map("c", finalizers=["a.b/c"]), save="made", quiet=True)
_ACCOUNT = post(f"{CORE}/serviceaccounts", {"metadata": {"name": "s"}, "secrets": [{"name": "x"}]}, quiet=True)
_ADD_UNKNOWN = {"op": "add", "path": "/spec/zzz", "value": 1}
_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "$(made.metadata.uid)"}


def _json(name: str, *operations: Json) -> Case:
    return case(f"JSON patch: {name}", _MADE, patch(f"{WIDGETS}/a", JSON_PATCH, [*operations]))


def _merge(name: str, body: Json, query: str = "") -> Case:
    return case(f"merge patch: {name}", _MADE, patch(f"{WIDGETS}/a{query}", MERGE, body))


def _strategic(name: str, body: Json) -> Case:
    return case(f"strategic merge patch: {name}", _MAP, patch(f"{CONFIG_MAPS}/c", STRATEGIC, body))


def _config_map(name: str, media: str, body: Json | bytes, query: str = "") -> Case:
    return case(name, _MAP, patch(f"{CONFIG_MAPS}/c{query}", media, body))


def _named(kind: str, path: str, name: str) -> Case:
    return case(
        f"merge patch: names that are none, of a {kind}",
        post(path, {"kind": kind, "metadata": {"name": name}}, quiet=True),
        patch(f"{path}/{name}", MERGE, _BAD_NAMES),
    )


_BAD_NAMES = {"metadata": {"labels": {"a b": "c"}, "finalizers": ["plain", "a b"], "ownerReferences": [{"uid": "1"}]}}

CASES = [
    _merge("fields are set", {"spec": {"color": "green", "counts": {"k": 1}}}),
    _merge("what is already so changes nothing", {"spec": {"color": "red"}}),
    _merge("null removes, and the default comes back", {"spec": {"color": None}}),
    _merge("lists are replaced", {"spec": {"tags": ["a"], "plain": [1, 2]}}),
    _merge("an unknown field warns", {"spec": {"zzz": 1}}),
    _merge("an unknown field is refused under Strict", {"spec": {"zzz": 1}}, "?fieldValidation=Strict"),
    _merge("an unknown field under Ignore", {"spec": {"zzz": 1}}, "?fieldValidation=Ignore"),
    _merge("the result must be valid", {"spec": {"color": "blue"}}),
    _merge("the result must be of the right type", {"spec": {"message": {"x": 1}}}),
    _merge("the name cannot change", {"metadata": {"name": "other"}}),
    _merge("the name cannot go", {"metadata": {"name": None}}),
    _merge("the metadata cannot go", {"metadata": None}),
    _merge("the namespace cannot change", {"metadata": {"namespace": "other"}}),
    _merge("the kind cannot change", {"kind": "Other"}),
    _merge("the version cannot change", {"apiVersion": "conformance.example.com/v9"}),
    _merge("the status is out of reach", {"status": {"n": 6}}),
    _merge("the required field cannot go", {"spec": {"message": None}}),
    _merge("an immutable field stays", {"spec": {"message": "other"}}),
    _merge("labels and annotations", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}),
    _merge("a label that is none", {"metadata": {"labels": {"a b": "c"}}}),
    _merge("an array", [1]),
    _merge("a text", "x"),
    _merge("not JSON", b"{x"),
    _merge("nothing at all", b""),
    case("merge patch: what is not there", patch(f"{WIDGETS}/nope", MERGE, {"spec": {}})),
    case("merge patch: a ConfigMap", _MAP, patch(f"{CONFIG_MAPS}/c", MERGE, {"data": {"a": None, "b": "2"}})),
    case(
        "merge patch: a Secret in plain text",
        post(SECRETS, {"metadata": {"name": "s"}}, quiet=True),
        patch(f"{SECRETS}/s", MERGE, {"stringData": {"a": "b"}}),
    ),
    case("merge patch: the wrong type in a ConfigMap", _MAP, patch(f"{CONFIG_MAPS}/c", MERGE, {"data": {"a": 5}})),
    case("merge patch: an unknown field of a ConfigMap", _MAP, patch(f"{CONFIG_MAPS}/c", MERGE, {"zzz": 1})),
    case(
        "merge patch: an unknown field of a ConfigMap under Strict",
        _MAP,
        patch(f"{CONFIG_MAPS}/c?fieldValidation=Strict", MERGE, {"zzz": 1}),
    ),
    *[
        _config_map(f"merge patch: a ConfigMap, {name}", MERGE, body, query)
        for name, body, query in (
            ("a uid that is not its own", {"metadata": {"uid": "nope"}}, ""),
            ("a label that is none", {"metadata": {"labels": {"a b": "c"}}}, ""),
            ("a finalizer that is none", {"metadata": {"finalizers": ["a b"]}}, ""),
            ("another kind", {"kind": "Other"}, ""),
            ("another version", {"apiVersion": "v9"}, ""),
            ("the kind of another built-in object", {"kind": "Secret", "data": None}, ""),
            ("labels that are a number", {"metadata": {"labels": 5}}, ""),
            ("metadata that are a text", {"metadata": "x"}, ""),
            ("a field twice", b'{"data":{"b":"1","b":"2"}}', ""),
            (
                "a field twice and an unknown one, Strict",
                b'{"data":{"b":"1","b":"2"},"zzz":1}',
                "?fieldValidation=Strict",
            ),
            (
                "a label and an unknown field, Strict",
                {"metadata": {"labels": {"a": "b"}}, "z": 1},
                "?fieldValidation=Strict",
            ),
        )
    ],
    _named("Secret", SECRETS, "s"),
    _named("Lease", LEASES, "l"),
    _named("ServiceAccount", f"{CORE}/serviceaccounts", "s"),
    _named("Namespace", "/api/v1/namespaces", "x-$ns"),
    case("merge patch: names that are none, of a Widget", _MADE, patch(f"{WIDGETS}/a", MERGE, _BAD_NAMES)),
    _merge("labels that are a number", {"metadata": {"labels": 5}}),
    _merge("a finalizer that is none", {"metadata": {"finalizers": ["a b"]}}),
    _merge("owners that are incomplete", {"metadata": {"ownerReferences": [{"kind": "x"}]}}),
    _merge("another kind and version", {"apiVersion": "conformance.example.com/v9", "kind": "Other"}),
    _merge("an apiVersion that is an object", {"apiVersion": {"a": 1}}),
    _merge("a kind that is a number", {"kind": 5}),
    _merge("no kind", {"kind": None}),
    _config_map("merge patch: a ConfigMap, an apiVersion that is a number", MERGE, {"apiVersion": 5}),
    _config_map("strategic merge patch: a kind that is a number", STRATEGIC, {"kind": 5}),
    _merge("another group", {"apiVersion": "example.com/v1"}),
    *[
        case(f"JSON patch: {name}", _MADE, patch(f"{WIDGETS}/a{query}", JSON_PATCH, body))
        for name, body, query in (
            ("a field twice", b'[{"op":"add","path":"/spec/lo","value":2,"value":3}]', ""),
            (
                "a field twice, Strict",
                b'[{"op":"add","path":"/spec/lo","value":2,"value":3}]',
                "?fieldValidation=Strict",
            ),
            ("an unknown field of the object, Strict", [_ADD_UNKNOWN], "?fieldValidation=Strict"),
            ("an unknown field of the patch", [{**_ADD_UNKNOWN, "path": "/spec/lo", "why": "so"}], ""),
            (
                "an unknown field of the patch, Strict",
                [{**_ADD_UNKNOWN, "path": "/spec/lo", "why": "so"}],
                "?fieldValidation=Strict",
            ),
        )
    ],
    _config_map(
        "JSON patch: the wrong type in a ConfigMap", JSON_PATCH, [{"op": "add", "path": "/data/a", "value": 5}]
    ),
    _json(
        "add and test",
        {"op": "add", "path": "/spec/tags", "value": ["a"]},
        {"op": "test", "path": "/spec/color", "value": "red"},
    ),
    _json(
        "append to a list",
        {"op": "add", "path": "/spec/tags", "value": ["a"]},
        {"op": "add", "path": "/spec/tags/-", "value": "b"},
    ),
    _json(
        "insert into a list",
        {"op": "add", "path": "/spec/tags", "value": ["a"]},
        {"op": "add", "path": "/spec/tags/0", "value": "b"},
    ),
    _json("replace", {"op": "replace", "path": "/spec/color", "value": "green"}),
    _json(
        "copy and move",
        {"op": "copy", "from": "/spec/message", "path": "/spec/a"},
        {"op": "move", "from": "/spec/a", "path": "/spec/b"},
    ),
    _json(
        "keys with slashes and tildes",
        {"op": "add", "path": "/metadata/labels", "value": {}},
        {"op": "add", "path": "/metadata/labels/x.y~1z", "value": "v"},
    ),
    _json("a test that fails", {"op": "test", "path": "/spec/color", "value": "green"}),
    _json("a test of what is not there", {"op": "test", "path": "/spec/zzz", "value": "green"}),
    _json("remove what is not there", {"op": "remove", "path": "/spec/nope"}),
    _json("replace what is not there", {"op": "replace", "path": "/spec/nope", "value": 1}),
    _json("add below what is not there", {"op": "add", "path": "/spec/x/y", "value": 1}),
    _json("an operation that does not exist", {"op": "foo", "path": "/spec/nope", "value": 1}),
    _json("the result must be valid", {"op": "replace", "path": "/spec/color", "value": "blue"}),
    _json(
        "an index out of range",
        {"op": "add", "path": "/spec/tags", "value": ["a"]},
        {"op": "add", "path": "/spec/tags/7", "value": "b"},
    ),
    _json("no operations"),
    case("JSON patch: an object", _MADE, patch(f"{WIDGETS}/a", JSON_PATCH, {"op": "foo"})),
    case("JSON patch: not JSON", _MADE, patch(f"{WIDGETS}/a", JSON_PATCH, b"[{x")),
    case("JSON patch: a ConfigMap", _MAP, patch(f"{CONFIG_MAPS}/c", JSON_PATCH, [{"op": "remove", "path": "/data/a"}])),
    case(
        "strategic merge patch: not for custom resources",
        _MADE,
        patch(f"{WIDGETS}/a", STRATEGIC, {"spec": {"color": "green"}}),
    ),
    _strategic("maps are merged", {"data": {"x": "y"}}),
    _strategic("null removes", {"data": {"a": None}}),
    _strategic("finalizers are a set", {"metadata": {"finalizers": ["a.b/d"]}}),
    _strategic(
        "finalizers in a given order",
        {"metadata": {"finalizers": ["a.b/d"], "$setElementOrder/finalizers": ["a.b/d", "a.b/c"]}},
    ),
    _strategic("an element of a set is removed", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}}),
    _strategic("a map is replaced", {"data": {"$patch": "replace", "only": "me"}}),
    _strategic("a map is emptied", {"data": {"$patch": "delete"}}),
    _strategic("keys that are kept", {"data": {"$retainKeys": ["k"], "k": "v"}}),
    _strategic("a directive that does not exist", {"data": {"$patch": "foo", "only": "me"}}),
    _strategic("an element without its key", {"metadata": {"ownerReferences": [{"kind": "x"}]}}),
    _strategic("an owner is added", {"metadata": {"ownerReferences": [_OWNER]}}),
    _strategic("not JSON", b"{x"),
    _strategic("the wrong type", {"data": [1]}),
    _strategic("a field that does not exist", {"zzz": 1}),
    *[
        _config_map(f"strategic merge patch: {name}", STRATEGIC, body, query)
        for name, body, query in (
            ("a field that does not exist, Strict", {"zzz": 1, "data": {"x": "y"}}, "?fieldValidation=Strict"),
            ("a field twice", b'{"data":{"b":"1","b":"2"}}', ""),
            ("a field twice, Strict", b'{"data":{"b":"1","b":"2"}}', "?fieldValidation=Strict"),
            ("a number for a text", {"data": {"a": 5}}, ""),
            ("a fraction for a text", {"data": {"a": 1.5}}, ""),
            ("an object for a text", {"data": {"a": {"b": "c"}}}, ""),
            ("a text for a map", {"data": "x"}, ""),
            ("a text for a boolean", {"immutable": "x"}, ""),
            ("a number for a label", {"metadata": {"labels": {"a": 5}}}, ""),
            ("a list for labels", {"metadata": {"labels": ["a"]}}, ""),
            ("a text for finalizers", {"metadata": {"finalizers": "a.b/c"}}, ""),
            ("a label that is none", {"metadata": {"labels": {"a b": "c"}}}, ""),
        )
    ],
    _strategic("owners that are no objects", {"metadata": {"ownerReferences": ["x"]}}),
    _strategic("a directive for the whole", {"$patch": "delete"}),
    case(
        "strategic merge patch: lists with keys are merged",
        _ACCOUNT,
        patch(f"{CORE}/serviceaccounts/s", STRATEGIC, {"secrets": [{"name": "y"}]}),
    ),
    case(
        "strategic merge patch: an element is removed by its key",
        _ACCOUNT,
        patch(f"{CORE}/serviceaccounts/s", STRATEGIC, {"secrets": [{"$patch": "delete", "name": "x"}]}),
    ),
    case(
        "strategic merge patch: an owner is removed by its uid",
        _MAP,
        post(CONFIG_MAPS, config_map("d", ownerReferences=[_OWNER]), quiet=True),
        patch(
            f"{CONFIG_MAPS}/d",
            STRATEGIC,
            {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "$(made.metadata.uid)"}]}},
        ),
    ),
    case(
        "a patch of a media type that is none",
        _MADE,
        patch(f"{WIDGETS}/a", "text/plain", {}),
        patch(f"{WIDGETS}/a", "application/json", {}),
    ),
    case("a ConfigMap's patch of a media type that is none", _MAP, patch(f"{CONFIG_MAPS}/c", "application/json", {})),
    case(
        "a patch does not change what is read when it is refused",
        _MADE,
        patch(f"{WIDGETS}/a", MERGE, {"spec": {"hi": 99}}),
        get(f"{WIDGETS}/a"),
    ),
]
