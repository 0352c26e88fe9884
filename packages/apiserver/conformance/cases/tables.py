"""Tables: what `kubectl get` shows."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import (
    CONFIG_MAPS,
    CORE,
    DEFINITIONS,
    EVENTS,
    GADGETS,
    LEASES,
    SECRETS,
    WIDGETS,
    config_map,
    gadget,
    widget,
)
from packages.apiserver.conformance.steps import MERGE, TABLE, case, delete, get, patch, post

_AS_TABLE = {"accept": f"{TABLE},application/json"}
_AGES = r"^\d+m?s$"
_MADE = post(WIDGETS, widget("a"), quiet=True)

CASES = [
    case(
        "columns of a CRD",
        _MADE,
        patch(
            f"{WIDGETS}/a/status",
            MERGE,
            {
                "status": {
                    "phase": "A",
                    "conditions": [{"type": "Well", "status": "x"}, {"type": "Ready", "status": "True"}],
                }
            },
            quiet=True,
        ),
        get(WIDGETS, headers=_AS_TABLE),
        mask=_AGES,
    ),
    case("empty cells", _MADE, get(WIDGETS, headers=_AS_TABLE), mask=_AGES),
    case("one object", _MADE, get(f"{WIDGETS}/a", headers=_AS_TABLE), mask=_AGES),
    case("an empty list", get(WIDGETS, headers=_AS_TABLE)),
    case("with whole objects", _MADE, get(f"{WIDGETS}?includeObject=Object", headers=_AS_TABLE), mask=_AGES),
    case("without objects", _MADE, get(f"{WIDGETS}?includeObject=None", headers=_AS_TABLE), mask=_AGES),
    case("an include that does not exist", get(f"{WIDGETS}?includeObject=Foo", headers=_AS_TABLE)),
    case(
        "pages", _MADE, post(WIDGETS, widget("b"), quiet=True), get(f"{WIDGETS}?limit=1", headers=_AS_TABLE), mask=_AGES
    ),
    case(
        "a CRD without columns",
        post(GADGETS, gadget("t-$ns"), quiet=True),
        get(f"{GADGETS}/t-$ns", headers=_AS_TABLE),
        delete(f"{GADGETS}/t-$ns", quiet=True),
        mask=_AGES,
    ),
    case("ConfigMap", post(CONFIG_MAPS, config_map("a"), quiet=True), get(CONFIG_MAPS, headers=_AS_TABLE), mask=_AGES),
    case(
        "Secret",
        post(SECRETS, {"metadata": {"name": "a"}, "stringData": {"x": "y"}}, quiet=True),
        get(SECRETS, headers=_AS_TABLE),
        mask=_AGES,
    ),
    case("Namespace", get(CORE, headers=_AS_TABLE), mask=_AGES),
    case(
        "ServiceAccount",
        post(f"{CORE}/serviceaccounts", {"metadata": {"name": "a"}}, quiet=True),
        get(f"{CORE}/serviceaccounts/a", headers=_AS_TABLE),
        mask=_AGES,
    ),
    case(
        "Lease",
        post(LEASES, {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}, quiet=True),
        get(LEASES, headers=_AS_TABLE),
        mask=_AGES,
    ),
    case(
        "Event",
        post(
            EVENTS,
            {
                "metadata": {"name": "a"},
                "involvedObject": {"kind": "Widget", "name": "x", "namespace": "$ns"},
                "reason": "R",
                "message": "m",
                "type": "Normal",
                "source": {"component": "c"},
                "count": 3,
            },
            quiet=True,
        ),
        get(EVENTS, headers=_AS_TABLE),
        mask=_AGES,
    ),
    case(
        "CustomResourceDefinition",
        get(f"{DEFINITIONS}/widgets.conformance.example.com", headers=_AS_TABLE),
        mask=r"20\d\d-\S+Z",
    ),
    case("a refusal stays a Status", get(f"{WIDGETS}/nope", headers=_AS_TABLE)),
    case("made as a Table", post(WIDGETS, widget("a"), headers=_AS_TABLE), mask=_AGES),
    case("a version of Table that does not exist", get(WIDGETS, headers={"accept": TABLE.replace("v=v1", "v=v9")})),
]
