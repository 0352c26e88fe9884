"""Server-side apply."""

from typing import Any

from test.conformance.cases.kinds import CONFIG_MAPS, GROUP, WIDGETS, config_map, widget
from test.conformance.steps import APPLY, MERGE, Request, case, edited, get, patch, post, put


def _apply(who: str, spec: dict[str, Any], /, *, force: bool = False, query: str = "", **metadata: Any) -> Request:
    forced = "&force=true" if force else ""
    return patch(
        f"{WIDGETS}/s?fieldManager={who}{forced}{query}", APPLY, widget("s", {"message": "hi", **spec}, **metadata)
    )


_PORTS = {"tags": ["a", "b"], "ports": [{"name": "x", "port": 1}], "counts": {"k": 1}}

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
