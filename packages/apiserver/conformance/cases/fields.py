"""Defaults, pruning, unknown and duplicate fields."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, SECRETS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import MERGE, Case, case, edited, get, patch, post, put

_HEAD = '"apiVersion":"conformance.example.com/v1","kind":"Widget","metadata":{"name":"d"}'
_UNKNOWN = {"message": "x", "foo": 1, "bar": {"a": 1}, "free": {"z": 1}, "ports": [{"name": "a", "zz": 1}]}
_TWICE = f'{{{_HEAD},"spec":{{"message":"x","message":"y","counts":{{"a":1,"a":2}}}}}}'.encode()
_TWICE_ABOVE = f'{{{_HEAD},"spec":{{"message":"x"}},"spec":{{"message":"y"}}}}'.encode()
_TWICE_BUILT_IN = (
    b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"},"data":{"a":"1","a":"2"},"data":{"b":"1"}}'
)
_METADATA_TWICE = (
    b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d","labels":{"a":"1"}},"metadata":{"labels":{"b":"2"}}}'
)
_BOTH = f'{{{_HEAD},"spec":{{"message":"x","message":"y","zzz":1,"lo":2,"lo":3}},"aaa":1}}'.encode()
_YAML_BOTH = (
    b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, foo: 1}\nzzz: 1\nbar:\n  a: 1\n  a: 2\n"
    b"data:\n  a: x\n  a: z\n"
)
_YAML_TWICE = (
    b"apiVersion: conformance.example.com/v1\nkind: Widget\nmetadata: {name: d}\nspec:\n  message: x\n  message: z\n"
)


def _each(name: str, path: str, body: object, **more: str) -> list[Case]:
    return [
        case(
            f"{name}, {level or 'by default'}",
            post(path + (f"?fieldValidation={level}" if level else ""), body, **more),
        )
        for level in ("", "Warn", "Strict", "Ignore")
    ]


CASES = [
    case("defaults are filled in", post(WIDGETS, widget("a"))),
    case("defaults inside of a list", post(WIDGETS, widget("a", {"message": "x", "ports": [{"name": "p"}]}))),
    case(
        "defaults inside of an object that is not there are not",
        post(WIDGETS, widget("a", {"message": "x", "nested": {}})),
    ),
    case(
        "defaults come back after an update",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", spec={"color": None})),
    ),
    case(
        "what is kept free is not pruned",
        post(WIDGETS, widget("a", {"message": "x", "free": {"z": {"y": [1, {"x": None}]}}})),
        get(f"{WIDGETS}/a"),
    ),
    *_each("unknown fields", WIDGETS, widget("u", _UNKNOWN)),
    *_each("unknown fields above the spec", WIDGETS, {**widget("u"), "top": 1}),
    *_each("unknown fields of the metadata", WIDGETS, widget("u", foo=1)),
    *_each("fields twice", WIDGETS, _TWICE),
    *_each("the spec twice", WIDGETS, _TWICE_ABOVE),
    *_each("fields twice in YAML", WIDGETS, _YAML_TWICE, content_type="application/yaml"),
    *_each("unknown fields of a ConfigMap", CONFIG_MAPS, {**config_map("u"), "foo": 1, "bar": {"x": 1}}),
    *_each("the metadata of a ConfigMap twice", CONFIG_MAPS, _METADATA_TWICE),
    *_each(
        "unknown fields of a ConfigMap in YAML, and some twice",
        CONFIG_MAPS,
        _YAML_BOTH,
        content_type="application/yaml",
    ),
    *_each("unknown fields of a Widget, and some twice", WIDGETS, _BOTH),
    *_each("unknown fields of a ConfigMap's metadata", CONFIG_MAPS, config_map("u", foo=1)),
    *_each("fields of a ConfigMap twice", CONFIG_MAPS, _TWICE_BUILT_IN),
    *_each("fields of a ConfigMap in the wrong case", CONFIG_MAPS, {**config_map("u"), "Data": {"x": "1"}}),
    case(
        "unknown fields of an update",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a", edited("a", spec={"foo": 1})),
    ),
    case(
        "unknown fields of an update under Strict",
        post(WIDGETS, widget("a"), save="a", quiet=True),
        put(f"{WIDGETS}/a?fieldValidation=Strict", edited("a", spec={"foo": 1})),
    ),
    case(
        "fields of a merge patch twice",
        post(WIDGETS, widget("a"), quiet=True),
        *[
            patch(f"{WIDGETS}/a?fieldValidation={level}", MERGE, b'{"spec":{"lo":2,"lo":3}}')
            for level in ("Warn", "Strict", "Ignore")
        ],
    ),
    case(
        "unknown fields and one that is not valid",
        post(WIDGETS, widget("a", {"message": "x", "foo": 1, "color": "blue"})),
    ),
    case(
        "a Secret's plain text is not kept",
        post(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}}),
        get(f"{SECRETS}/s"),
    ),
    case("null in a map is dropped", post(WIDGETS, widget("a", {"message": "x", "counts": {"a": None}, "a": None}))),
]
