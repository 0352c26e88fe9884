"""Conflicts: versions and uids as preconditions of writes."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, LEASES, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import JSON_PATCH, MERGE, case, delete, edited, patch, post, put

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)
_CHANGED = put(f"{WIDGETS}/a", edited("made", spec={"color": "green"}), save="changed", quiet=True)
_ZERO = "00000000-0000-0000-0000-000000000000"

CASES = [
    case("an update with an old version", _MADE, _CHANGED, put(f"{WIDGETS}/a", edited("made", spec={"color": "red"}))),
    case(
        "an update of a custom resource without a version",
        _MADE,
        put(f"{WIDGETS}/a", edited("made", metadata={"resourceVersion": None})),
    ),
    case("an update with version 0", _MADE, put(f"{WIDGETS}/a", edited("made", metadata={"resourceVersion": "0"}))),
    case(
        "an update with a version that is none",
        _MADE,
        put(f"{WIDGETS}/a", edited("made", metadata={"resourceVersion": "abc"})),
    ),
    case("an update with another name than the path", _MADE, put(f"{WIDGETS}/b", edited("made"))),
    case(
        "an update with another namespace than the path",
        _MADE,
        put(f"{WIDGETS}/a", edited("made", metadata={"namespace": "x"})),
    ),
    case("an update with another uid", _MADE, put(f"{WIDGETS}/a", edited("made", metadata={"uid": _ZERO}))),
    case("an update without a uid", _MADE, put(f"{WIDGETS}/a", edited("made", metadata={"uid": None}))),
    case("an update of what is not there makes it", put(f"{WIDGETS}/zz", widget("zz"))),
    case("an update of what is not there, with a version", put(f"{WIDGETS}/zz", widget("zz", resourceVersion="5"))),
    case("an update of what is not there, with a uid", put(f"{WIDGETS}/zz", widget("zz", uid=_ZERO))),
    case("an update of a ConfigMap that is not there", put(f"{CONFIG_MAPS}/zz", config_map("zz"))),
    case(
        "an update of a ConfigMap without a version",
        post(CONFIG_MAPS, config_map("a")),
        put(f"{CONFIG_MAPS}/a", config_map("a", {"b": "2"})),
    ),
    case(
        "an update of a ConfigMap with an old version",
        post(CONFIG_MAPS, config_map("a"), save="made", quiet=True),
        patch(f"{CONFIG_MAPS}/a", MERGE, {"data": {"b": "2"}}, quiet=True),
        put(f"{CONFIG_MAPS}/a", edited("made", data={"c": "3"})),
    ),
    case(
        "an update of a Lease that is not there makes it",
        put(f"{LEASES}/new", {"metadata": {"name": "new"}, "spec": {"holderIdentity": "me"}}),
    ),
    case(
        "two that want one Lease: the second is refused",
        post(LEASES, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}, save="made", quiet=True),
        put(f"{LEASES}/l", edited("made", spec={"holderIdentity": "me", "leaseTransitions": 1})),
        put(f"{LEASES}/l", edited("made", spec={"holderIdentity": "you", "leaseTransitions": 1})),
    ),
    case(
        "a merge patch with an old version",
        _MADE,
        _CHANGED,
        patch(
            f"{WIDGETS}/a",
            MERGE,
            {"metadata": {"resourceVersion": "$(made.metadata.resourceVersion)"}, "spec": {"lo": 2}},
        ),
    ),
    case(
        "a merge patch with the right version",
        _MADE,
        patch(
            f"{WIDGETS}/a",
            MERGE,
            {"metadata": {"resourceVersion": "$(made.metadata.resourceVersion)"}, "spec": {"lo": 2}},
        ),
    ),
    case(
        "a merge patch with another uid",
        _MADE,
        patch(f"{WIDGETS}/a", MERGE, {"metadata": {"uid": "nope"}, "spec": {"lo": 2}}),
    ),
    case(
        "a JSON patch that tests an old version",
        _MADE,
        _CHANGED,
        patch(
            f"{WIDGETS}/a",
            JSON_PATCH,
            [{"op": "test", "path": "/metadata/resourceVersion", "value": "$(made.metadata.resourceVersion)"}],
        ),
    ),
    case(
        "a status update with an old version",
        _MADE,
        _CHANGED,
        put(f"{WIDGETS}/a/status", edited("made", status={"phase": "A"})),
    ),
    case(
        "a delete with another uid",
        _MADE,
        delete(f"{WIDGETS}/a", {"preconditions": {"uid": _ZERO}}),
        mask=r"UID in object meta: \S+",
    ),
    case(
        "a delete with the right uid", _MADE, delete(f"{WIDGETS}/a", {"preconditions": {"uid": "$(made.metadata.uid)"}})
    ),
    case(
        "a delete with an old version",
        _MADE,
        _CHANGED,
        delete(f"{WIDGETS}/a", {"preconditions": {"resourceVersion": "$(made.metadata.resourceVersion)"}}),
    ),
    case(
        "a delete with the right version",
        _MADE,
        delete(f"{WIDGETS}/a", {"preconditions": {"resourceVersion": "$(made.metadata.resourceVersion)"}}),
    ),
    case(
        "a delete of a ConfigMap with another uid",
        post(CONFIG_MAPS, config_map("a"), quiet=True),
        delete(f"{CONFIG_MAPS}/a", {"preconditions": {"uid": _ZERO}}),
    ),
]
