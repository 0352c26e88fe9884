"""The columns of built-in kinds, as kube-apiserver prints them, and the printer of any resource.

Used by `verbs` and `watchstream` through `printer`. A new built-in kind gets its columns here; printing itself is in
`tables`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from kubechain.embedded.registry import JsonObject, ResourceInfo
from kubechain.embedded.tables import AGE_DESCRIPTION, NAME, Column, Printer, age, created, custom_printer

AGE: Final = Column("Age", description=AGE_DESCRIPTION)


@lru_cache(maxsize=512)
def printer(info: ResourceInfo) -> Printer:
    """Return how objects of a resource are printed."""
    found = BUILTIN.get((info.group, info.plural))
    if found is not None:
        return found
    return custom_printer(info) if info.custom else DEFAULT


def _name(item: JsonObject) -> str:
    return item.get("metadata", {}).get("name", "")


def _default(item: JsonObject, now: float) -> list[Any]:
    return [_name(item), created(item, now)]


def _created_at(item: JsonObject, now: float) -> list[Any]:
    del now  # an absolute time: it needs no "now"
    return [_name(item), item.get("metadata", {}).get("creationTimestamp")]


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
    """Cells of an Event, of the core API or of events.k8s.io, which name the same things differently."""
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

_EVENT_COLUMNS: Final = (
    Column("Last Seen", description="The time at which the most recent occurrence of this event was recorded."),
    Column("Type", description="Type of this event (Normal, Warning), new types could be added in the future"),
    Column("Reason", description="This should be a short, machine understandable string that gives the reason."),
    Column("Object", description="The object that this event is about."),
    Column("Subobject", description="The field of the object that this event is about.", priority=1),
    Column("Source", description="The component reporting this event.", priority=1),
    Column("Message", description="A human-readable description of the status of this operation."),
    Column("First Seen", description="The time at which the event was first recorded.", priority=1),
    Column("Count", description="The number of times this event has occurred.", priority=1),
    Column("Name", format="name", description=NAME.description, priority=1),
)

BUILTIN: Final = {
    ("", "namespaces"): Printer((NAME, Column("Status", description="The status of the namespace"), AGE), _namespace),
    ("", "secrets"): Printer(
        (
            NAME,
            Column("Type", description="Used to facilitate programmatic handling of secret data."),
            Column("Data", description="Data contains the secret data."),
            AGE,
        ),
        _secret,
    ),
    ("", "configmaps"): Printer(
        (NAME, Column("Data", description="Data contains the configuration data."), AGE), _config_map
    ),
    ("", "events"): Printer(_EVENT_COLUMNS, _event),
    ("events.k8s.io", "events"): Printer(_EVENT_COLUMNS, _event),
    ("coordination.k8s.io", "leases"): Printer(
        (
            NAME,
            Column("Holder", description="holderIdentity contains the identity of the holder of a current lease."),
            AGE,
        ),
        _lease,
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Printer(
        (NAME, Column("Created At", type="date", description=AGE_DESCRIPTION)), _created_at
    ),
}
"""Printers by group and plural; whatever is not here prints its name and age."""
