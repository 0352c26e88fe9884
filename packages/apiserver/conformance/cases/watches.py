"""Watches: order, selectors, bookmarks, initial events, 410, time-outs."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import ALL_WIDGETS, CONFIG_MAPS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import (
    MERGE,
    PARTIAL,
    STRATEGIC,
    TABLE,
    Case,
    Watch,
    case,
    delete,
    get,
    patch,
    post,
)

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)
_LAST = post(WIDGETS, widget("last"), quiet=True)
"""The last event that a watcher waits for, so that one too many before it is seen."""
_FROM_MADE = "resourceVersion=$(made.metadata.resourceVersion)"
_INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def _green(name: str, color: str = "green"):
    return patch(f"{WIDGETS}/{name}", MERGE, {"spec": {"color": color}}, quiet=True)


def _refused(name: str, query: str) -> Case:
    return case(f"refused: {name}", get(f"{WIDGETS}?watch=1&timeoutSeconds=1&{query}"))


CASES = [
    case(
        "changes since a version, in order",
        _MADE,
        _green("a"),
        _LAST,
        delete(f"{WIDGETS}/a", quiet=True),
        Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}", 3),
    ),
    case(
        "changes as they happen",
        _MADE,
        Watch(
            f"{WIDGETS}?watch=1&{_FROM_MADE}",
            4,
            (
                _green("a"),
                patch(f"{WIDGETS}/a/status", MERGE, {"status": {"n": 1}}, quiet=True),
                delete(f"{WIDGETS}/a", quiet=True),
                _LAST,
            ),
        ),
    ),
    case("without a version the present comes first", _MADE, Watch(f"{WIDGETS}?watch=1", 2, (_LAST,))),
    case("with version 0 the present comes first", _MADE, Watch(f"{WIDGETS}?watch=1&resourceVersion=0", 2, (_LAST,))),
    case(
        "a change that changes nothing is no event",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}", 1, (_green("a", "red"), _LAST)),
    ),
    case(
        "a deletion that waits for a finalizer",
        post(WIDGETS, widget("f", finalizers=["a.b/c"]), save="made", quiet=True),
        Watch(
            f"{WIDGETS}?watch=1&{_FROM_MADE}",
            2,
            (
                delete(f"{WIDGETS}/f", quiet=True),
                patch(f"{WIDGETS}/f", MERGE, {"metadata": {"finalizers": None}}, quiet=True),
            ),
        ),
    ),
    case(
        "other namespaces are not seen",
        _MADE,
        Watch(
            f"{WIDGETS}?watch=1&{_FROM_MADE}",
            1,
            (
                post(WIDGETS.replace("$ns", "default"), widget("o-$ns"), quiet=True),
                delete(f"{WIDGETS.replace('$ns', 'default')}/o-$ns", quiet=True),
                _LAST,
            ),
        ),
    ),
    case(
        "of all namespaces",
        _MADE,
        Watch(
            f"{ALL_WIDGETS}?watch=1&{_FROM_MADE}&labelSelector=x%3D$ns",
            1,
            (post(WIDGETS, widget("x", labels={"x": "$ns"}), quiet=True),),
        ),
    ),
    case(
        "a label selector: coming, staying, leaving",
        _MADE,
        Watch(
            f"{WIDGETS}?watch=1&{_FROM_MADE}&labelSelector=in",
            4,
            (
                patch(f"{WIDGETS}/a", MERGE, {"metadata": {"labels": {"in": "1"}}}, quiet=True),
                _green("a"),
                patch(f"{WIDGETS}/a", MERGE, {"metadata": {"labels": {"in": None}}}, quiet=True),
                _green("a", "red"),
                post(WIDGETS, widget("last", labels={"in": ""}), quiet=True),
            ),
        ),
    ),
    case(
        "a field selector",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}&fieldSelector=spec.color%3Dgreen", 2, (_green("a"), _green("a", "red"))),
    ),
    case(
        "one object by its name",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}&fieldSelector=metadata.name%3Da", 1, (_LAST, _green("a"))),
    ),
    case("one object, the old path", _MADE, get(f"{WIDGETS}/a?watch=1&timeoutSeconds=1")),
    case("initial events end with a bookmark", _MADE, _LAST, Watch(f"{WIDGETS}?watch=1&{_INITIAL}", 3)),
    case("initial events of nothing", Watch(f"{WIDGETS}?watch=1&{_INITIAL}", 1)),
    case("after initial events changes follow", _MADE, Watch(f"{WIDGETS}?watch=1&{_INITIAL}", 3, (_LAST,))),
    case(
        "initial events without bookmarks",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1", 2),
    ),
    case(
        "initial events with a selector",
        _MADE,
        post(WIDGETS, widget("b", labels={"in": ""}), quiet=True),
        Watch(f"{WIDGETS}?watch=1&{_INITIAL}&labelSelector=in", 2),
    ),
    case(
        "no initial events, though no version is given",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=1", 1),
    ),
    case("it ends at its time-out", _MADE, Watch(f"{WIDGETS}?watch=1&timeoutSeconds=1&{_FROM_MADE}", 1)),
    case(
        "a version that is too old", Watch(f"{WIDGETS}?watch=1&timeoutSeconds=1&resourceVersion=1", 2), mask=r"\(\d+\)"
    ),
    case("a version that is none", get(f"{WIDGETS}?watch=1&timeoutSeconds=1&resourceVersion=abc")),
    case(
        "as a Table",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}", 2, (_green("a"), _LAST), {"accept": TABLE}),
        mask=r"^\d+m?s$",
    ),
    case("as metadata", _MADE, Watch(f"{WIDGETS}?watch=1&{_FROM_MADE}", 2, (_green("a"), _LAST), {"accept": PARTIAL})),
    case(
        "initial events as a Table",
        _MADE,
        Watch(f"{WIDGETS}?watch=1&{_INITIAL}", 2, headers={"accept": TABLE}),
        mask=r"^\d+m?s$",
    ),
    case(
        "of a ConfigMap",
        post(CONFIG_MAPS, config_map("a"), save="made", quiet=True),
        Watch(
            f"{CONFIG_MAPS}?watch=1&{_FROM_MADE}",
            2,
            (
                patch(f"{CONFIG_MAPS}/a", STRATEGIC, {"data": {"b": "2"}}, quiet=True),
                delete(f"{CONFIG_MAPS}/a", quiet=True),
            ),
        ),
    ),
    case(
        "initial events of ConfigMaps",
        post(CONFIG_MAPS, config_map("a"), quiet=True),
        Watch(f"{CONFIG_MAPS}?watch=1&{_INITIAL}", 2),
    ),
    case(
        "deletecollection is one event each",
        _MADE,
        _LAST,
        Watch(f"{WIDGETS}?watch=1&resourceVersion=0", 4, (delete(WIDGETS, quiet=True),)),
    ),
    _refused("a match without initial events", "resourceVersionMatch=NotOlderThan"),
    _refused("initial events without a match", "sendInitialEvents=true"),
    _refused("initial events with another match", "sendInitialEvents=true&resourceVersionMatch=Exact"),
    _refused("a field that cannot be selected", "fieldSelector=x%3D1"),
    _refused("a label selector that is none", "labelSelector=a%3D-"),
    _refused("a time-out that is no number", "timeoutSeconds=x&x=1"),
]
