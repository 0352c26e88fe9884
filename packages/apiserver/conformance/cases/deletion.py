"""Deletion: finalizers, owners, namespaces, collections."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, CORE, GROUP, SECRETS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import MERGE, Case, Kubectl, case, delete, edited, get, patch, post, put

_MADE = post(WIDGETS, widget("p"), save="made", quiet=True)
_HELD = post(WIDGETS, widget("f", finalizers=["a.b/c"]), save="made", quiet=True)
_GOING = delete(f"{WIDGETS}/f", quiet=True)
_FREE = patch(f"{WIDGETS}/f", MERGE, {"metadata": {"finalizers": None}})
_FREE_QUIETLY = patch(f"{WIDGETS}/f", MERGE, {"metadata": {"finalizers": None}}, quiet=True)
_OWNER = post(WIDGETS, widget("o"), save="owner", quiet=True)


def _owner(name: str, saved: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "name": name, "uid": f"$({saved}.metadata.uid)", **more}


def _owned(name: str, **more: Any) -> dict[str, Any]:
    return config_map(name, ownerReferences=[_owner("o", "owner", **more)])


def _options(name: str, options: dict[str, Any]) -> Case:
    return case(f"options: {name}", _MADE, delete(f"{WIDGETS}/p", options))


CASES = [
    case("a plain delete", _MADE, delete(f"{WIDGETS}/p"), get(f"{WIDGETS}/p")),
    case("a ConfigMap", post(CONFIG_MAPS, config_map("a"), quiet=True), delete(f"{CONFIG_MAPS}/a")),
    case("a Secret", post(SECRETS, {"metadata": {"name": "a"}}, quiet=True), delete(f"{SECRETS}/a")),
    case("what is not there", delete(f"{WIDGETS}/nope"), delete(f"{CONFIG_MAPS}/nope")),
    case("a finalizer holds it", _HELD, delete(f"{WIDGETS}/f"), get(f"{WIDGETS}/f"), _FREE, get(f"{WIDGETS}/f")),
    case("twice", _HELD, _GOING, delete(f"{WIDGETS}/f")),
    case(
        "no finalizer may be added meanwhile",
        _HELD,
        _GOING,
        patch(f"{WIDGETS}/f", MERGE, {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}),
    ),
    case(
        "one of two finalizers may go",
        post(WIDGETS, widget("f", finalizers=["a.b/c", "a.b/d"]), quiet=True),
        _GOING,
        patch(f"{WIDGETS}/f", MERGE, {"metadata": {"finalizers": ["a.b/d"]}}),
    ),
    case("the spec may change meanwhile", _HELD, _GOING, patch(f"{WIDGETS}/f", MERGE, {"spec": {"color": "green"}})),
    case(
        "the status may change meanwhile",
        _HELD,
        _GOING,
        patch(f"{WIDGETS}/f/status", MERGE, {"status": {"phase": "A"}}),
    ),
    case("the name is taken until it is gone", _HELD, _GOING, post(WIDGETS, widget("f"))),
    case(
        "an update can take the last finalizer",
        _HELD,
        delete(f"{WIDGETS}/f", save="going"),
        put(f"{WIDGETS}/f", edited("going", metadata={"finalizers": None})),
        get(f"{WIDGETS}/f"),
    ),
    case(
        "the deletion's time cannot be removed",
        _HELD,
        _GOING,
        patch(f"{WIDGETS}/f", MERGE, {"metadata": {"deletionTimestamp": None}}),
    ),
    case("a grace period means nothing for these kinds", _MADE, delete(f"{WIDGETS}/p", {"gracePeriodSeconds": 30})),
    case("a negative grace period", _MADE, delete(f"{WIDGETS}/p", {"gracePeriodSeconds": -5})),
    case(
        "in the foreground, without dependents",
        _MADE,
        delete(f"{WIDGETS}/p", {"propagationPolicy": "Foreground"}),
        get(f"{WIDGETS}/p", until=404),
    ),
    case(
        "orphaning, without dependents",
        _MADE,
        delete(f"{WIDGETS}/p", {"propagationPolicy": "Orphan"}),
        get(f"{WIDGETS}/p", until=404),
    ),
    case("a policy in the query", _MADE, delete(f"{WIDGETS}/p?propagationPolicy=Foreground")),
    case("a policy that does not exist", _MADE, delete(f"{WIDGETS}/p", {"propagationPolicy": "Foo"})),
    case(
        "both kinds of policy", _MADE, delete(f"{WIDGETS}/p", {"propagationPolicy": "Orphan", "orphanDependents": True})
    ),
    case("options that are not JSON", _MADE, delete(f"{WIDGETS}/p", b"{x")),
    case("options of another kind", _MADE, delete(f"{WIDGETS}/p", {"apiVersion": "v1", "kind": "ConfigMap"})),
    _options("a list for preconditions", {"preconditions": []}),
    _options("a number for a uid", {"preconditions": {"uid": 5}}),
    _options("a text for seconds", {"gracePeriodSeconds": "x"}),
    _options("a number for a policy", {"propagationPolicy": 5}),
    _options("a text for a boolean", {"orphanDependents": "x"}),
    _options("a text for dryRun", {"dryRun": "All"}),
    _options("an unknown field", {"zzz": 1}),
    case("options of a group", _MADE, delete(f"{WIDGETS}/p", {"apiVersion": f"{GROUP}/v1", "kind": "DeleteOptions"})),
    case("options that are a list", _MADE, delete(f"{WIDGETS}/p", [1])),
    case("options with their kind", _MADE, delete(f"{WIDGETS}/p", {"apiVersion": "v1", "kind": "DeleteOptions"})),
    case(
        "dependents follow",
        _OWNER,
        post(CONFIG_MAPS, _owned("d"), quiet=True),
        delete(f"{WIDGETS}/o", quiet=True),
        get(f"{CONFIG_MAPS}/d", until=404),
    ),
    case(
        "dependents of dependents follow",
        _OWNER,
        post(CONFIG_MAPS, _owned("d"), save="d", quiet=True),
        post(
            SECRETS,
            {
                "metadata": {
                    "name": "e",
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "d", "uid": "$(d.metadata.uid)"}
                    ],
                }
            },
            quiet=True,
        ),
        delete(f"{WIDGETS}/o", quiet=True),
        get(f"{SECRETS}/e", until=404),
    ),
    case(
        "in the foreground dependents go first",
        _OWNER,
        post(CONFIG_MAPS, _owned("d", blockOwnerDeletion=True), quiet=True),
        delete(f"{WIDGETS}/o", {"propagationPolicy": "Foreground"}),
        get(f"{WIDGETS}/o", until=404),
        get(f"{CONFIG_MAPS}/d"),
    ),
    case(
        "of two owners one goes",
        _OWNER,
        post(WIDGETS, widget("other"), save="other", quiet=True),
        post(
            CONFIG_MAPS,
            config_map("d", ownerReferences=[_owner("o", "owner"), _owner("other", "other")]),
            save="d",
            quiet=True,
        ),
        delete(f"{WIDGETS}/o", {"propagationPolicy": "Orphan"}, quiet=True),
        get(f"{WIDGETS}/o", until=404),
        get(f"{CONFIG_MAPS}/d", pick=("metadata", "ownerReferences")),
        get(f"{CONFIG_MAPS}/d", pick=("metadata", "managedFields")),
    ),
    case(
        "orphans stay, without the owner",
        _OWNER,
        post(CONFIG_MAPS, _owned("d"), quiet=True),
        delete(f"{WIDGETS}/o", {"propagationPolicy": "Orphan"}, quiet=True),
        get(f"{WIDGETS}/o", until=404),
        get(f"{CONFIG_MAPS}/d"),
    ),
    case(
        "one whose owner never was goes",
        _OWNER,
        post(
            CONFIG_MAPS,
            config_map(
                "d",
                ownerReferences=[
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": "x",
                        "uid": "00000000-0000-0000-0000-000000000000",
                    }
                ],
            ),
            quiet=True,
        ),
        get(f"{CONFIG_MAPS}/d", until=404),
    ),
    case(
        "a collection",
        _MADE,
        post(WIDGETS, widget("q", labels={"x": "y"}), quiet=True),
        delete(f"{WIDGETS}?labelSelector=x"),
        get(WIDGETS, pick=("items", "metadata", "name")),
    ),
    case(
        "a collection of ConfigMaps",
        post(CONFIG_MAPS, config_map("a"), quiet=True),
        delete(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Da"),
    ),
    case("a collection with a finalizer", _HELD, _MADE, delete(WIDGETS), get(WIDGETS)),
    case("an empty collection", delete(WIDGETS)),
    case("the collection of all namespaces cannot be", delete(WIDGETS.replace("/namespaces/$ns", ""))),
    case(
        "a namespace takes all with it",
        _MADE,
        post(CONFIG_MAPS, config_map("a"), quiet=True),
        delete(CORE, pick=("metadata", "deletionTimestamp")),
        get(CORE, until=404),
        get(WIDGETS, pick=("items",)),
    ),
    case(
        "a namespace with content that has finalizers says so",
        _HELD,
        post(CONFIG_MAPS, {**config_map("a"), "metadata": {"name": "a", "finalizers": ["example.com/b"]}}, quiet=True),
        delete(CORE, pick=("status", "phase")),
        Kubectl(
            "wait ns/$ns --for=jsonpath='{.status.conditions[4].reason}'=SomeFinalizersRemain --timeout=30s",
            quiet=True,
        ),
        get(CORE, pick=("status", "conditions")),
        patch(f"{CONFIG_MAPS}/a", MERGE, {"metadata": {"finalizers": None}}, quiet=True),
        _FREE_QUIETLY,
        get(CORE, until=404, quiet=True),
    ),
    case(
        "nothing new in a namespace that goes",
        _HELD,
        delete(CORE, quiet=True),
        post(CONFIG_MAPS, config_map("a")),
        _FREE_QUIETLY,
        get(CORE, until=404),
    ),
    case("the namespace default stays", delete("/api/v1/namespaces/default")),
]
