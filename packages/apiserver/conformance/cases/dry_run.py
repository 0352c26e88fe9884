"""Dry runs answer as if, and change nothing."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import MERGE, case, delete, edited, get, patch, post, put

_MADE = post(WIDGETS, widget("a"), save="made", quiet=True)
_DRY = "dryRun=All"

CASES = [
    case("create", post(f"{WIDGETS}?{_DRY}", widget("a")), get(f"{WIDGETS}/a")),
    case("create over one that exists", _MADE, post(f"{WIDGETS}?{_DRY}", widget("a"))),
    case("create what is not valid", post(f"{WIDGETS}?{_DRY}", widget("a", {}))),
    case("update", _MADE, put(f"{WIDGETS}/a?{_DRY}", edited("made", spec={"color": "green"})), get(f"{WIDGETS}/a")),
    case(
        "update of the status",
        _MADE,
        put(f"{WIDGETS}/a/status?{_DRY}", edited("made", status={"phase": "A"})),
        get(f"{WIDGETS}/a"),
    ),
    case("update that makes", put(f"{WIDGETS}/b?{_DRY}", widget("b")), get(f"{WIDGETS}/b")),
    case("patch", _MADE, patch(f"{WIDGETS}/a?{_DRY}", MERGE, {"spec": {"color": "green"}}), get(f"{WIDGETS}/a")),
    case("delete", _MADE, delete(f"{WIDGETS}/a?{_DRY}"), get(f"{WIDGETS}/a")),
    case("delete, the option in the body", _MADE, delete(f"{WIDGETS}/a", {"dryRun": ["All"]}), get(f"{WIDGETS}/a")),
    case(
        "delete with a finalizer",
        post(WIDGETS, widget("f", finalizers=["a.b/c"]), quiet=True),
        delete(f"{WIDGETS}/f?{_DRY}"),
        get(f"{WIDGETS}/f"),
    ),
    case("deletecollection", _MADE, delete(f"{WIDGETS}?{_DRY}"), get(f"{WIDGETS}/a")),
    case("of a ConfigMap", post(f"{CONFIG_MAPS}?{_DRY}", config_map("a")), get(f"{CONFIG_MAPS}/a")),
    case(
        "a value that does not exist", delete(f"{WIDGETS}/a?dryRun=Some"), patch(f"{WIDGETS}/a?dryRun=Some", MERGE, {})
    ),
]
