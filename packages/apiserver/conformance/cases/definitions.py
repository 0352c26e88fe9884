"""CustomResourceDefinitions: making, changing, removing them."""

from __future__ import annotations

from typing import Any

from packages.apiserver.conformance.cases.kinds import DEFINITIONS, definition, version
from packages.apiserver.conformance.steps import APPLY, MERGE, Case, Json, Kubectl, case, delete, get, patch, post

_GROUP = "$ns.example.com"
_THING = definition("Thing", [version("v1")], group=_GROUP)
_PATH = f"{DEFINITIONS}/things.{_GROUP}"
_SERVED = get(f"/apis/{_GROUP}/v1/things", until=200, quiet=True)
_BODY = {"apiVersion": f"{_GROUP}/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"size": 1}}
_THINGS = f"/apis/{_GROUP}/v1/namespaces/$ns/things"
_HELD = {**_BODY, "metadata": {"name": "t", "finalizers": ["example.com/hold"]}}


def _wait(path: str, value: str) -> str:
    return f"wait crd/things.{_GROUP} --for=jsonpath='{path}'={value} --timeout=30s"


def _refused(title: str, spec: dict[str, Any], /, **metadata: Json) -> Case:
    body = {**_THING, "spec": {**_THING["spec"], **spec}, "metadata": {**_THING["metadata"], **metadata}}
    return case(f"refused: {title}", post(DEFINITIONS, body))


def _schema(name: str, schema: Json) -> Case:
    return _refused(name, {"versions": [version("v1", schema)]})


CASES = [
    case("names and defaults", post(DEFINITIONS, _THING, pick=("spec",)), delete(_PATH, quiet=True)),
    case(
        "conditions once it is served",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        get(_PATH, pick=("status",)),
        delete(_PATH, quiet=True),
    ),
    case(
        "its objects go with it",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        post(_THINGS, _BODY, until=201, quiet=True),
        delete(_PATH, quiet=True),
        get(_PATH, until=404, quiet=True),
        get(_THINGS, until=404),
    ),
    case(
        "one whose objects have finalizers waits for them",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        post(_THINGS, _HELD, until=201, quiet=True),
        delete(_PATH, pick=("metadata", "finalizers")),
        Kubectl(_wait("{.status.conditions[2].reason}", "InstanceDeletionInProgress"), quiet=True),
        get(_PATH, pick=("status", "conditions")),
        get(_PATH, pick=("metadata", "generation")),
        get(f"{_THINGS}/t", pick=("metadata", "finalizers")),
        delete(_PATH, pick=("metadata", "finalizers")),
        get(f"{_THINGS}/t", pick=("kind",)),
        patch(f"{_THINGS}/t", MERGE, {"metadata": {"labels": {"a": "b"}}}, pick=("metadata", "labels")),
        patch(f"{_THINGS}/t", MERGE, {"metadata": {"finalizers": None}}, quiet=True),
        get(_PATH, until=404, quiet=True),
        get(_THINGS, until=404),
    ),
    case(
        "nothing new of one that is being deleted",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        post(_THINGS, _HELD, until=201, quiet=True),
        delete(_PATH, pick=("status", "conditions", "type=Terminating")),
        post(_THINGS, {**_BODY, "metadata": {"name": "u"}}, until=403),
        patch(f"{_THINGS}/v?fieldManager=m", APPLY, {**_BODY, "metadata": {"name": "v"}}),
        get(f"/apis/{_GROUP}/v1", pick=("resources", "name=things", "verbs")),
        patch(f"{_THINGS}/t", MERGE, {"metadata": {"finalizers": None}}, quiet=True),
        get(_PATH, until=404, quiet=True),
    ),
    case(
        "a deletion that is a dry run marks nothing",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        delete(f"{_PATH}?dryRun=All", pick=("status", "conditions", "type=Terminating", "reason")),
        get(_PATH, pick=("metadata", "finalizers")),
        delete(_PATH, quiet=True),
    ),
    case(
        "a new schema holds at once for new objects",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        patch(_PATH, MERGE, {"spec": {"names": {"shortNames": ["th"]}}}, pick=("spec", "names")),
        delete(_PATH, quiet=True),
    ),
    case(
        "the scope cannot change",
        post(DEFINITIONS, _THING, quiet=True),
        _SERVED,
        patch(_PATH, MERGE, {"spec": {"scope": "Cluster"}}),
        delete(_PATH, quiet=True),
    ),
    case(
        "the group cannot change",
        post(DEFINITIONS, _THING, quiet=True),
        patch(_PATH, MERGE, {"spec": {"group": "x.example.com"}}),
        delete(_PATH, quiet=True),
    ),
    _refused("a name that does not follow from group and plural", {}, name="others.example.com"),
    _refused("no versions", {"versions": []}),
    _refused("no stored version", {"versions": [version("v1", storage=False)]}),
    _refused("two stored versions", {"versions": [version("v1"), version("v2")]}),
    _refused("a version twice", {"versions": [version("v1"), version("v1", storage=False)]}),
    _refused("no schema", {"versions": [{"name": "v1", "served": True, "storage": True}]}),
    _refused("a scope that does not exist", {"scope": "Galaxy"}),
    _refused("no kind", {"names": {"plural": "things"}}),
    _schema("a schema that is no object", {"type": "string"}),
    _schema("a schema without a type", {"properties": {"spec": {}}}),
    _schema("a list without items", {"type": "object", "properties": {"spec": {"type": "array"}}}),
    _schema(
        "a rule that does not compile", {"type": "object", "x-kubernetes-validations": [{"rule": "self.nope == 1"}]}
    ),
    _schema(
        "a default that is not valid", {"type": "object", "properties": {"spec": {"type": "string", "default": 5}}}
    ),
    _schema(
        "a list with keys without keys",
        {
            "type": "object",
            "properties": {"spec": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}},
        },
    ),
]
