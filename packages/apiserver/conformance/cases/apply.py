"""Server-side apply."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, GROUP, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import (
    APPLY,
    JSON_PATCH,
    MERGE,
    Case,
    Request,
    case,
    edited,
    get,
    patch,
    post,
    put,
)


def _apply(who: str, spec: dict[str, Any], /, *, force: bool = False, query: str = "", **metadata: Any) -> Request:
    forced = "&force=true" if force else ""
    return patch(
        f"{WIDGETS}/s?fieldManager={who}{forced}{query}", APPLY, widget("s", {"message": "hi", **spec}, **metadata)
    )


def _refused(name: str, spec: dict[str, Any], metadata: dict[str, Any]) -> Case:
    return case(f"refused: {name}", _apply("m1", spec, **metadata))


def _rewritten(name: str, entries: list[Any], path: str = "") -> Case:
    return case(
        f"managedFields of an update: {name}",
        _apply("m1", {}),
        patch(f"{WIDGETS}/s{path}", MERGE, {"metadata": {"managedFields": entries}}),
        get(f"{WIDGETS}/s", pick=("metadata", "managedFields")),
    )


_ENTRY: dict[str, Any] = {
    "manager": "m1",
    "operation": "Update",
    "apiVersion": f"{GROUP}/v1",
    "time": "2020-01-01T00:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {"f:message": {}}},
}
_PORTS = {"tags": ["a", "b"], "ports": [{"name": "x", "port": 1}], "counts": {"k": 1}}

_TWICE = (
    f'{{"apiVersion":"{GROUP}/v1","kind":"Widget","metadata":{{"name":"s"}},"spec":{{"message":"x","message":"hi"}}}}'
)
_HEAD = f"apiVersion: {GROUP}/v1\nkind: Widget\n"
_TWICE_YAML = (
    f"{_HEAD}metadata: {{name: s, name: s}}\nspec:\n  message: x\n  counts:\n    a: 1\n    a: 2\n  message: hi\n"
)
_WORDS = """\
    yes: y
    no: "n"
    time: 1:30
    octal: 0777
    almost: 08
    power: 1e3
    grouped: 1_000
    whole: 3.0
    part: .5
    hex: 0x1F
    date: 2020-01-01
    nothing: ~
    version: 1.2.3
    1: one
    2.5: two and a half
"""
"""Plain scalars, of which other readers of YAML think otherwise."""

CASES = [
    case("what is not there is made", _apply("m1", _PORTS)),
    case("the same again changes nothing", _apply("m1", _PORTS), _apply("m1", _PORTS)),
    case("what one no longer applies goes", _apply("m1", _PORTS), _apply("m1", {})),
    case(
        "fields of two managers",
        _apply("m1", _PORTS),
        _apply("m2", {"tags": ["z"], "ports": [{"name": "y", "port": 2}]}),
    ),
    case(
        "the same value is owned by both",
        _apply("m1", _PORTS),
        _apply("m2", {"counts": {"k": 1}}),
        _apply("m1", {}),
        get(f"{WIDGETS}/s"),
    ),
    case("a conflict over one field", _apply("m1", _PORTS), _apply("m2", {"counts": {"k": 2}})),
    case(
        "a conflict over two fields",
        _apply("m1", _PORTS),
        _apply("m2", {"counts": {"k": 2}, "ports": [{"name": "x", "port": 5}]}),
    ),
    case("force takes the field", _apply("m1", _PORTS), _apply("m2", {"counts": {"k": 2}}, force=True)),
    case(
        "a conflict with one who updated",
        _apply("m1", {}, labels={"l": "1"}),
        patch(f"{WIDGETS}/s?fieldManager=m3", MERGE, {"metadata": {"labels": {"l": "2"}}}),
        _apply("m1", {}, labels={"l": "1"}),
    ),
    case(
        "labels and annotations",
        _apply("m1", {}, labels={"l": "1"}, annotations={"a": "1"}),
        _apply("m1", {}, annotations={"a": "2"}),
    ),
    case(
        "an atomic map is owned as a whole", _apply("m1", {"atomic": {"a": "1"}}), _apply("m2", {"atomic": {"b": "2"}})
    ),
    case("an atomic list is owned as a whole", _apply("m1", {"plain": [1]}), _apply("m2", {"plain": [1, 2]})),
    case(
        "finalizers are a set",
        _apply("m1", {}, finalizers=["a.b/c"]),
        _apply("m2", {}, finalizers=["a.b/d"]),
        _apply("m1", {}),
        patch(f"{WIDGETS}/s", MERGE, {"metadata": {"finalizers": None}}, quiet=True),
    ),
    case(
        "the status by itself",
        _apply("m1", {}),
        patch(
            f"{WIDGETS}/s/status?fieldManager=m1",
            APPLY,
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "Widget",
                "metadata": {"name": "s"},
                "status": {"phase": "A", "conditions": [{"type": "Ready", "status": "True"}]},
            },
        ),
    ),
    case(
        "conditions of two managers",
        _apply(
            "m1",
            {},
        ),
        *[
            patch(
                f"{WIDGETS}/s/status?fieldManager={who}",
                APPLY,
                {
                    "apiVersion": f"{GROUP}/v1",
                    "kind": "Widget",
                    "metadata": {"name": "s"},
                    "status": {"conditions": [{"type": kind, "status": "True"}]},
                },
            )
            for who, kind in (("m1", "Ready"), ("m2", "Well"))
        ],
    ),
    case("a field that is not in the schema", _apply("m1", {"nope": 1})),
    case("a field that is not in the schema, under Ignore", _apply("m1", {"nope": 1}, query="&fieldValidation=Ignore")),
    case("a value of the wrong type", _apply("m1", {"message": 5})),
    case("a list where the schema has a map", _apply("m1", {"counts": [1]})),
    case("a key twice in a list with keys", _apply("m1", {"ports": [{"name": "x"}, {"name": "x"}]})),
    case("an element without its key", _apply("m1", {"ports": [{"port": 1}]})),
    case("an element twice in a set", _apply("m1", {"tags": ["a", "a"]})),
    *[
        _refused(name, spec, metadata)
        for name, spec, metadata in (
            ("a text for a number", {"lo": "x"}, {}),
            ("a boolean for a number", {"lo": True}, {}),
            ("an object for a text", {"message": {"a": 1, "b": ["c", None]}}, {}),
            ("a list for a text", {"message": [1, "x", 2.5]}, {}),
            ("a text for a map", {"counts": "x"}, {}),
            ("a text for a list", {"plain": "x"}, {}),
            ("a map for a set", {"tags": {"a": 1}}, {}),
            ("a number in a set of texts", {"tags": ["a", 5]}, {}),
            ("an object in a set", {"tags": [{"a": 1}]}, {}),
            ("a list in a set", {"tags": [["a"]]}, {}),
            ("null in a set", {"tags": [None]}, {}),
            ("a text in a list with keys", {"ports": ["x"]}, {}),
            ("null in a list with keys", {"ports": [None]}, {}),
            ("the wrong type in a list with keys", {"ports": [{"name": "x", "port": "y"}]}, {}),
            ("the wrong type in a list", {"plain": [1, "x"]}, {}),
            ("the wrong type in a map", {"counts": {"k": "x"}}, {}),
            ("an object for an integer or a text", {"either": {"a": 1}}, {}),
            ("a label that is a number", {}, {"labels": {"a": 5}}),
            ("labels that are a list", {}, {"labels": ["a"]}),
            ("a finalizer twice", {}, {"finalizers": ["a.b/c", "a.b/c"]}),
            ("an owner without its uid", {}, {"ownerReferences": [{"kind": "x"}]}),
            ("an unknown field of the metadata", {}, {"foo": 1}),
            ("a fraction for an integer", {"lo": 1.5}, {}),
        )
    ],
    case(
        "an apiVersion that is a number", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {**widget("s"), "apiVersion": 5})
    ),
    case("a kind that is a list", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {**widget("s"), "kind": ["x"]})),
    case("metadata that are a text", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {**widget("s"), "metadata": "x"})),
    case("null is nothing", _apply("m1", {"tags": None, "counts": None, "a": None})),
    case(
        "a ConfigMap, a text for a boolean",
        patch(f"{CONFIG_MAPS}/e?fieldManager=x", APPLY, {**config_map("e"), "immutable": "x"}),
    ),
    case(
        "a key twice in JSON",
        *[
            patch(f"{WIDGETS}/s?fieldManager=m1{level}", APPLY, _TWICE.encode())
            for level in ("&fieldValidation=Strict", "")
        ],
    ),
    case(
        "keys twice in YAML",
        *[
            patch(f"{WIDGETS}/s?fieldManager=m1{level}", APPLY, _TWICE_YAML.encode())
            for level in ("&fieldValidation=Strict", "")
        ],
    ),
    case(
        "words of YAML",
        patch(
            f"{WIDGETS}/s?fieldManager=m1",
            APPLY,
            f"{_HEAD}metadata: {{name: s}}\nspec:\n  message: hi\n  free:\n{_WORDS}".encode(),
        ),
    ),
    *[
        case(f"no YAML: {name}", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, text.encode()))
        for name, text in (
            ("a colon too many, on line three", "a: 1\nb: 2\nc: d: e\n"),
            ("a list that does not end", "a: [1, 2\nb: 3\n"),
            ("a tab", "a:\n\tb: 1\n"),
            ("a list where a map goes on", "a: 1\n- b\n"),
            ("a text that does not end", 'a: "b\n'),
        )
    ],
    case("a value that is not valid", _apply("m1", {"color": "blue"})),
    case("managedFields must not be given", _apply("m1", {}, managedFields=[{"manager": "x"}])),
    case("without a field manager", patch(f"{WIDGETS}/s", APPLY, widget("s"))),
    case("without a kind", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {"metadata": {"name": "s"}})),
    case("another name than in the path", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, widget("q"))),
    case(
        "another kind than in the path", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {**widget("s"), "kind": "Other"})
    ),
    case(
        "another version than in the path",
        patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, {**widget("s"), "apiVersion": f"{GROUP}/v2"}),
    ),
    case(
        "YAML",
        patch(
            f"{WIDGETS}/s?fieldManager=m1",
            APPLY,
            f"apiVersion: {GROUP}/v1\nkind: Widget\nmetadata:\n  name: s\nspec:\n  message: hi # there\n".encode(),
        ),
    ),
    case("text that is neither YAML nor JSON", patch(f"{WIDGETS}/s?fieldManager=m1", APPLY, b"a: b: c")),
    case("a uid that is not there", _apply("m1", {}, uid="00000000-0000-0000-0000-000000000000")),
    case(
        "an old version",
        _apply("m1", {}),
        patch(f"{WIDGETS}/s", MERGE, {"spec": {"lo": 2}}, quiet=True),
        _apply("m1", {"lo": 3}, resourceVersion="1"),
    ),
    case(
        "one who made it by a POST keeps what he set",
        post(f"{WIDGETS}?fieldManager=m0", widget("s")),
        _apply("m1", {"color": "green"}),
        _apply("m1", {"color": "green"}, force=True),
    ),
    case(
        "managedFields are reset by an empty list",
        _apply("m1", {}),
        patch(f"{WIDGETS}/s", MERGE, {"metadata": {"managedFields": [{}]}}),
        get(f"{WIDGETS}/s"),
    ),
    _rewritten("none", []),
    _rewritten("another", [{**_ENTRY, "manager": "else"}]),
    _rewritten("of an operation that does not exist", [{**_ENTRY, "operation": "Foo"}]),
    _rewritten("without a type", [{**_ENTRY, "fieldsType": ""}]),
    _rewritten("that are no set", [{**_ENTRY, "fieldsV1": {"f:spec": 5}}]),
    _rewritten("of the status", [{}], "/status"),
    case(
        "managedFields may be moved from one to another, as kubectl does",
        post(f"{WIDGETS}?fieldManager=client", widget("s"), save="made", quiet=True),
        patch(
            f"{WIDGETS}/s",
            JSON_PATCH,
            [
                {
                    "op": "replace",
                    "path": "/metadata/managedFields",
                    "value": [{**_ENTRY, "manager": "server", "operation": "Apply"}],
                },
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "$(made.metadata.resourceVersion)"},
            ],
        ),
    ),
    case("managedFields of a new object", post(WIDGETS, widget("s", managedFields=[{**_ENTRY, "manager": "else"}]))),
    case(
        "an update moves what it changes to the updater",
        post(WIDGETS, widget("s", {"message": "hi", "a": "1"}), save="made"),
        put(f"{WIDGETS}/s?fieldManager=m2", edited("made", spec={"a": "2", "lo": 3})),
    ),
    case("dry run of an apply", _apply("m1", {}, query="&dryRun=All"), get(f"{WIDGETS}/s")),
    case(
        "a ConfigMap",
        *[patch(f"{CONFIG_MAPS}/e?fieldManager=x", APPLY, config_map("e", data)) for data in ({"a": "1"}, {"b": "1"})],
    ),
    case(
        "a ConfigMap, a conflict",
        *[patch(f"{CONFIG_MAPS}/e?fieldManager={who}", APPLY, config_map("e", {"a": who})) for who in ("x", "y")],
    ),
    case(
        "a ConfigMap, a field that does not exist",
        patch(f"{CONFIG_MAPS}/e?fieldManager=x", APPLY, {**config_map("e"), "nope": 1}),
    ),
    case(
        "a ConfigMap, a value of the wrong type",
        patch(f"{CONFIG_MAPS}/e?fieldManager=x", APPLY, config_map("e", {"a": 5})),
    ),
]
