"""Printer columns of built-in kinds, as in kube-apiserver, and the printer of any resource."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from kubechain_apiserver.tables.tables import AGE_DESCRIPTION, NAME, Column, Printer, age, created, custom_printer
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

AGE: Final = Column("Age", description=AGE_DESCRIPTION)


@lru_cache(maxsize=512)
def printer(info: ResourceInfo) -> Printer:
    """Return the printer of a resource."""
    found = BUILTIN.get((info.group, info.plural))
    if found is not None:
        return found
    return custom_printer(info) if info.custom else DEFAULT


def _name(item: JsonObject) -> str:
    return item.get("metadata", {}).get("name", "")


def _default(item: JsonObject, now: float) -> list[Any]:
    return [_name(item), created(item, now)]


def _definition(item: JsonObject, now: float) -> list[Any]:
    del now  # an absolute time: it needs no "now"
    spec: JsonObject = item["spec"]
    served = [f"{v['name']}{'(storage)' if v.get('storage') else ''}" for v in spec["versions"] if v.get("served")]
    conditions: list[JsonObject] = item.get("status", {}).get("conditions", [])
    return [
        _name(item),
        spec["scope"],
        ",".join(sorted(served)),
        item["metadata"].get("creationTimestamp"),
        spec["group"],
        spec["names"]["kind"],
        ",".join(spec["names"].get("shortNames") or ()),
        any(one["type"] == "Established" and one["status"] == "True" for one in conditions),
    ]


def _namespace(item: JsonObject, now: float) -> list[Any]:
    return [_name(item), item.get("status", {}).get("phase", ""), created(item, now)]


def _secret(item: JsonObject, now: float) -> list[Any]:
    return [_name(item), item.get("type", ""), len(item.get("data") or ()), created(item, now)]


def _config_map(item: JsonObject, now: float) -> list[Any]:
    count = len(item.get("data") or ()) + len(item.get("binaryData") or ())
    return [_name(item), count, created(item, now)]


def _lease(item: JsonObject, now: float) -> list[Any]:
    return [_name(item), item.get("spec", {}).get("holderIdentity", ""), created(item, now)]


def _event(item: JsonObject, now: float) -> list[Any]:
    """Return the cells of an Event, of the core API or of events.k8s.io."""
    involved: JsonObject = item.get("involvedObject") or item.get("regarding") or {}
    first_seen, last_seen, count = _seen(item, now)
    return [
        last_seen,
        item.get("type", ""),
        item.get("reason", ""),
        "/".join(part for part in (involved.get("kind", "").lower(), involved.get("name", "")) if part),
        involved.get("fieldPath", ""),
        _event_source(item),
        (item.get("message") or item.get("note") or "").strip(),
        first_seen,
        count,
        _name(item),
    ]


def _seen(item: JsonObject, now: float) -> tuple[str, str, int]:
    first = item.get("firstTimestamp") or item.get("deprecatedFirstTimestamp") or item.get("eventTime")
    last = item.get("lastTimestamp") or item.get("deprecatedLastTimestamp") or first
    count = item.get("count") or item.get("deprecatedCount") or 1
    series = item.get("series")
    if series:
        last, count = series.get("lastObservedTime"), series.get("count", 0)
    return age(first, now), age(last, now), count


def _event_source(item: JsonObject) -> str:
    source: JsonObject = item.get("source") or item.get("deprecatedSource") or {}
    component = source.get("component") or item.get("reportingComponent") or item.get("reportingController") or ""
    instance = source.get("host") or item.get("reportingInstance") or ""
    return f"{component}, {instance}" if instance else component


DEFAULT: Final = Printer((NAME, AGE), _default)

_FIELD_PATH: Final = (
    "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go "
    "field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a "
    'container within a pod, this would take on a value like: "spec.containers{name}" (where "name" refers to the name '
    'of the container that triggered the event) or if no container name is specified "spec.containers[2]" (container '
    "with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an "
    "object."
)
_DATA: Final = "Each key must consist of alphanumeric characters, '-', '_' or '.'."

_EVENT_COLUMNS: Final = (
    Column("Last Seen", description="The time at which the most recent occurrence of this event was recorded."),
    Column("Type", description="Type of this event (Normal, Warning), new types could be added in the future"),
    Column(
        "Reason",
        description="This should be a short, machine understandable string that gives the reason for the transition "
        "into the object's current status.",
    ),
    Column("Object", description="The object that this event is about."),
    Column("Subobject", description=_FIELD_PATH, priority=1),
    Column(
        "Source",
        description="The component reporting this event. Should be a short machine understandable string.",
        priority=1,
    ),
    Column("Message", description="A human-readable description of the status of this operation."),
    Column(
        "First Seen",
        description="The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        priority=1,
    ),
    Column("Count", description="The number of times this event has occurred.", priority=1),
    Column("Name", format="name", description=NAME.description, priority=1),
)

BUILTIN: Final = {
    ("", "namespaces"): Printer((NAME, Column("Status", description="The status of the namespace"), AGE), _namespace),
    ("", "secrets"): Printer(
        (
            NAME,
            Column(
                "Type",
                description="Used to facilitate programmatic handling of secret data. More info: "
                "https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
            ),
            Column(
                "Data",
                description=f"Data contains the secret data. {_DATA} The serialized form of the secret data is a "
                "base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in "
                "https://tools.ietf.org/html/rfc4648#section-4",
            ),
            AGE,
        ),
        _secret,
    ),
    ("", "configmaps"): Printer(
        (
            NAME,
            Column(
                "Data",
                description=f"Data contains the configuration data. {_DATA} Values with non-UTF-8 byte sequences must "
                "use the BinaryData field. The keys stored in Data must not overlap with the keys in the BinaryData "
                "field, this is enforced during validation process.",
            ),
            AGE,
        ),
        _config_map,
    ),
    ("", "events"): Printer(_EVENT_COLUMNS, _event),
    ("events.k8s.io", "events"): Printer(_EVENT_COLUMNS, _event),
    ("coordination.k8s.io", "leases"): Printer(
        (
            NAME,
            Column(
                "Holder",
                description="holderIdentity contains the identity of the holder of a current lease. If Coordinated "
                "Leader Election is used, the holder identity must be equal to the elected "
                "LeaseCandidate.metadata.name field.",
            ),
            AGE,
        ),
        _lease,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Printer(
        (
            NAME,
            Column("Scope", description="Cluster/Namespaced"),
            Column("Versions", description="Served versions"),
            Column("Created At", type="date", description=AGE_DESCRIPTION),
            Column("Group", description="API group", priority=1),
            Column("Kind", description="CustomResource kind", priority=1),
            Column("ShortNames", description="Short names", priority=1),
            Column("Established", type="boolean", description="Established status", priority=1),
        ),
        _definition,
    ),
}
"""Printers by group and plural; other kinds print name and age."""
