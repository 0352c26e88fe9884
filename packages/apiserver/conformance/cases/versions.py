"""resourceVersion, generation, what the server sets and what it ignores."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, GADGETS, WIDGETS, config_map, gadget, widget
from packages.apiserver.conformance.steps import MERGE, case, delete, edited, get, patch, post, put

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)

CASES = [
    case("a new object has uid, generation 1, a time and a version", post(WIDGETS, widget("a", labels={"x": "y"}))),
    case(
        "a change of the spec raises version and generation",
        _MADE,
        put(f"{WIDGETS}/a", edited("made", spec={"color": "green"})),
    ),
    case(
        "a change of labels raises the version only",
        _MADE,
        patch(f"{WIDGETS}/a", MERGE, {"metadata": {"labels": {"x": "y"}}}),
    ),
    case(
        "a change of the status raises the version only",
        _MADE,
        patch(f"{WIDGETS}/a/status", MERGE, {"status": {"phase": "A"}}),
    ),
    case("an update that changes nothing keeps the version", _MADE, put(f"{WIDGETS}/a", edited("made"))),
    case(
        "a patch that changes nothing keeps the version", _MADE, patch(f"{WIDGETS}/a", MERGE, {}), get(f"{WIDGETS}/a")
    ),
    case(
        "what the server owns cannot be changed by an update",
        _MADE,
        put(
            f"{WIDGETS}/a",
            edited("made", metadata={"generation": 77, "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}),
        ),
    ),
    case(
        "what the server owns is ignored in a new object",
        post(
            WIDGETS,
            widget(
                "a",
                uid="abc",
                creationTimestamp="2020-01-01T00:00:00Z",
                generation=9,
                deletionTimestamp="2020-01-01T00:00:00Z",
                deletionGracePeriodSeconds=4,
                selfLink="/x",
            ),
        ),
    ),
    case("a new object must not have a version", post(WIDGETS, widget("a", resourceVersion="5"))),
    case("an object made again has a new uid", _MADE, delete(f"{WIDGETS}/a"), post(WIDGETS, widget("a"))),
    case("a ConfigMap has no generation", post(CONFIG_MAPS, config_map("a"))),
    case(
        "a cluster-wide object",
        post(GADGETS, gadget("g-$ns")),
        get(f"{GADGETS}/g-$ns"),
        get(f"{WIDGETS[:-7]}gadgets/g-$ns"),
        delete(f"{GADGETS}/g-$ns"),
    ),
    case(
        "an object of two versions is one object",
        post(GADGETS.replace("/v1/", "/v1beta1/"), gadget("v-$ns", "v1beta1")),
        get(f"{GADGETS}/v-$ns"),
        delete(f"{GADGETS}/v-$ns", quiet=True),
    ),
    case("a new object in a namespace that does not exist", post(WIDGETS.replace("$ns", "nope"), widget("a"))),
    case("a new object with the namespace of another", post(WIDGETS, widget("a", namespace="other"))),
    case("a namespaced object without a namespace", post(WIDGETS.replace("/namespaces/$ns", ""), widget("a"))),
    case("reading what is not there", get(f"{WIDGETS}/nope"), get(f"{CONFIG_MAPS}/nope")),
    case("a resource that does not exist", get(f"{WIDGETS}x"), post(f"{WIDGETS}x", widget("a"))),
    case("a list of a namespace that does not exist", get(WIDGETS.replace("$ns", "nope"))),
    case("a new object over one that exists", _MADE, post(WIDGETS, widget("a"))),
    case("a method that does not exist", put(WIDGETS, widget("a"))),
]
