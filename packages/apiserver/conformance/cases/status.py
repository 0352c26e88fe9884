"""The status is written by its own path, and by no other."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, CORE, GADGETS, WIDGETS, config_map, gadget, widget
from packages.apiserver.conformance.steps import JSON_PATCH, MERGE, case, delete, edited, get, patch, post, put

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)
_IN_A = patch(f"{WIDGETS}/a/status", MERGE, {"status": {"phase": "A"}}, save="in_a", quiet=True)

CASES = [
    case("a new object has none", post(WIDGETS, {**widget("a"), "status": {"phase": "A"}})),
    case("an update leaves it alone", _MADE, put(f"{WIDGETS}/a", edited("made", status={"phase": "A"}))),
    case("an update cannot remove it", _MADE, _IN_A, put(f"{WIDGETS}/a", edited("in_a", status=None))),
    case(
        "its own path writes nothing else",
        _MADE,
        put(f"{WIDGETS}/a/status", edited("made", status={"phase": "A"}, spec={"color": "green"})),
    ),
    case(
        "its own path leaves labels alone",
        _MADE,
        put(
            f"{WIDGETS}/a/status",
            edited("made", status={"phase": "B"}, metadata={"labels": {"x": "y"}, "finalizers": ["a.b/c"]}),
        ),
    ),
    case("it is validated", _MADE, put(f"{WIDGETS}/a/status", edited("made", status={"phase": "Z"}))),
    case(
        "its unknown fields are dropped with a warning",
        _MADE,
        put(f"{WIDGETS}/a/status", edited("made", status={"phase": "A", "zzz": 1})),
    ),
    case(
        "its unknown fields under Strict",
        _MADE,
        put(f"{WIDGETS}/a/status?fieldValidation=Strict", edited("made", status={"zzz": 1})),
    ),
    case("its own path shows the whole object", _MADE, _IN_A, get(f"{WIDGETS}/a/status")),
    case("a merge patch", _MADE, patch(f"{WIDGETS}/a/status", MERGE, {"status": {"n": 5}})),
    case("a merge patch removes it", _MADE, _IN_A, patch(f"{WIDGETS}/a/status", MERGE, {"status": None})),
    case(
        "a JSON patch",
        _MADE,
        patch(f"{WIDGETS}/a/status", JSON_PATCH, [{"op": "add", "path": "/status", "value": {"n": 1}}]),
    ),
    case(
        "a patch by its own path cannot reach the spec",
        _MADE,
        patch(f"{WIDGETS}/a/status", MERGE, {"spec": {"color": "green"}, "status": {"n": 1}}),
    ),
    case("an update without it removes it", _MADE, _IN_A, put(f"{WIDGETS}/a/status", edited("in_a", status=None))),
    case(
        "a status of what is not there",
        put(f"{WIDGETS}/nope/status", widget("nope")),
        patch(f"{WIDGETS}/nope/status", MERGE, {}),
    ),
    case(
        "a kind without one",
        post(GADGETS, gadget("s-$ns"), quiet=True),
        get(f"{GADGETS}/s-$ns/status"),
        delete(f"{GADGETS}/s-$ns", quiet=True),
    ),
    case("a ConfigMap has none", post(CONFIG_MAPS, config_map("a"), quiet=True), get(f"{CONFIG_MAPS}/a/status")),
    case("a subresource that does not exist", _MADE, get(f"{WIDGETS}/a/scale"), put(f"{WIDGETS}/a/zzz", widget("a"))),
    case(
        "of a namespace",
        get(f"{CORE}/status", pick=("status",)),
        patch(f"{CORE}/status", MERGE, {"status": {"phase": "Active"}}, pick=("status",)),
    ),
    case("it cannot be deleted", _MADE, delete(f"{WIDGETS}/a/status")),
    *[
        case(
            f"of a namespace: {name}",
            post("/api/v1/namespaces", {"metadata": {"name": "x-$ns"}}, save="made", quiet=True),
            patch("/api/v1/namespaces/x-$ns/status", MERGE, {"status": status}),
        )
        for name, status in (
            ("none", None),
            ("another phase", {"phase": "Terminating"}),
            ("a phase that does not exist", {"phase": "Foo"}),
            ("a condition", {"conditions": [{"type": "A", "status": "True"}]}),
            ("conditions that are a text", {"conditions": "x"}),
        )
    ],
]
