"""Events in both APIs."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import EVENTS, NEW_EVENTS
from packages.apiserver.conformance.steps import MERGE, STRATEGIC, case, delete, get, patch, post

_OLD: dict[str, Any] = {
    "metadata": {"name": "old"},
    "involvedObject": {"kind": "Widget", "name": "x", "namespace": "$ns"},
    "reason": "R",
    "message": "m",
    "type": "Normal",
    "source": {"component": "c"},
    "count": 1,
    "firstTimestamp": "2020-01-01T00:00:00Z",
    "lastTimestamp": "2020-01-01T00:00:00Z",
}
_NEW: dict[str, Any] = {
    "metadata": {"name": "new"},
    "regarding": {"kind": "Widget", "name": "x", "namespace": "$ns"},
    "reason": "R",
    "note": "m",
    "type": "Normal",
    "reportingController": "example.com/rc",
    "reportingInstance": "ri",
    "action": "A",
    "eventTime": "2020-01-01T00:00:00.000000Z",
}
_BOTH = (post(EVENTS, _OLD, quiet=True), post(NEW_EVENTS, _NEW, quiet=True))


def _without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in _NEW.items() if key not in keys}


CASES = [
    case("an old one, read in both", post(EVENTS, _OLD), get(f"{NEW_EVENTS}/old")),
    case("a new one, read in both", post(NEW_EVENTS, _NEW), get(f"{EVENTS}/new")),
    case("lists of both", *_BOTH, get(EVENTS), get(NEW_EVENTS)),
    case(
        "about an object of another namespace",
        post(EVENTS, {**_OLD, "involvedObject": {"kind": "X", "name": "x", "namespace": "other"}}),
    ),
    case("about a cluster-wide object", post(EVENTS, {**_OLD, "involvedObject": {"kind": "Namespace", "name": "$ns"}})),
    *[
        case(f"a new one without {key}", post(NEW_EVENTS, _without(key)))
        for key in ("eventTime", "reportingController", "reportingInstance", "action", "reason", "type", "regarding")
    ],
    case("a new one of a bad type", post(NEW_EVENTS, {**_NEW, "type": "Foo"})),
    case(
        "a new one with what is too long",
        post(NEW_EVENTS, {**_NEW, "note": "x" * 1025, "reason": "r" * 129, "action": "a" * 129}),
    ),
    case("a new one with fields of the old", post(NEW_EVENTS, {**_NEW, "deprecatedCount": 1})),
    case("an old one with the fields of the new", post(EVENTS, {**_OLD, "eventTime": "2020-01-01T00:00:00.000000Z"})),
    case(
        "a series",
        post(NEW_EVENTS, _NEW, quiet=True),
        patch(f"{NEW_EVENTS}/new", MERGE, {"series": {"count": 2, "lastObservedTime": "2020-01-02T00:00:00.000000Z"}}),
    ),
    case(
        "a new one does not change but for its series",
        post(NEW_EVENTS, _NEW, quiet=True),
        patch(f"{NEW_EVENTS}/new", MERGE, {"note": "other"}),
        patch(f"{NEW_EVENTS}/new", MERGE, {"reason": "Other"}),
    ),
    case(
        "an old one counts",
        post(EVENTS, _OLD, quiet=True),
        patch(f"{EVENTS}/old", STRATEGIC, {"count": 2, "lastTimestamp": "2020-01-02T00:00:00Z"}),
    ),
    *[
        case(
            f"selector {selector}",
            *_BOTH,
            get(f"{EVENTS}?fieldSelector={selector}", pick=("items", "metadata", "name")),
        )
        for selector in (
            "involvedObject.name%3Dx,reason%3DR,type!%3DWarning,involvedObject.kind%3DWidget",
            "involvedObject.uid%3D",
            "reportingComponent%3Dexample.com/rc",
            "source%3Dc",
            "involvedObject.namespace%3D$ns",
        )
    ],
    case(
        "a selector that does not exist",
        get(f"{EVENTS}?fieldSelector=nope%3Dc"),
        get(f"{NEW_EVENTS}?fieldSelector=involvedObject.name%3Dx"),
    ),
    case(
        "a selector of the new",
        *_BOTH,
        get(f"{NEW_EVENTS}?fieldSelector=regarding.name%3Dx", pick=("items", "metadata", "name")),
    ),
    case("deletion", post(NEW_EVENTS, _NEW, quiet=True), delete(f"{NEW_EVENTS}/new")),
    case("generateName", post(EVENTS, {**_OLD, "metadata": {"generateName": "e-"}})),
]
