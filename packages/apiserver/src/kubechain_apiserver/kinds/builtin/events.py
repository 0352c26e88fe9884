"""Event: one store, two APIs (`v1` and `events.k8s.io/v1`) with different field names.

Objects are stored as core/v1.
"""

from __future__ import annotations

from typing import ClassVar

from kubechain_apiserver.kinds.builtin import event_rules, shapes
from kubechain_apiserver.kinds.strategy import Strategy
from kubechain_apiserver.schema.structural import Node, compile_schema
from kubechain_apiserver.store.selectors import read_path
from kubechain_apiserver.store.watch import View
from kubechain_apiserver.wire.field_errors import FieldError
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import GroupResource, PrinterColumn, ResourceInfo

TTL_SECONDS = 3600.0
"""How long an Event lives after its last write: kube-apiserver's default (`--event-ttl`)."""

EVENTS = GroupResource("", "events")

_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""Field names of events.k8s.io/v1, and those of core/v1."""

_ALWAYS: JsonObject = {
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
"""Fields that are always present, and their zero values."""

_NEW_NAME = {core: new for new, core in _RENAMED.items()}
_SAME = {
    "action": shapes.text("What action was taken/failed regarding to the regarding object."),
    "eventTime": shapes.time("Time when this Event was first observed."),
    "reason": shapes.text("This should be a short, machine understandable string that gives the reason."),
    "related": shapes.object_reference("Optional secondary object for more complex actions."),
    "reportingInstance": shapes.text("ID of the controller instance."),
    "series": shapes.fields(
        "Data about the Event series this event represents.",
        count=shapes.integer("Number of occurrences in this series up to the last heartbeat time."),
        lastObservedTime=shapes.time("Time of the last occurrence observed."),
    ),
    "type": shapes.text("Type of this event (Normal, Warning), new types could be added in the future."),
}
_RENAMED_SHAPES = {
    "involvedObject": shapes.object_reference("The object that this event is about."),
    "message": shapes.text("A human-readable description of the status of this operation."),
    "reportingComponent": shapes.text("Name of the controller that emitted this Event."),
    "source": shapes.fields(
        "The component reporting this event.",
        component=shapes.text("Component from which the event is generated."),
        host=shapes.text("Node name on which the event is generated."),
    ),
    "firstTimestamp": shapes.time("The time at which the event was first recorded."),
    "lastTimestamp": shapes.time("The time at which the most recent occurrence of this event was recorded."),
    "count": shapes.integer("The number of times this event has occurred."),
}
_DESCRIPTION = "Event is a report of an event somewhere in the cluster."
_REFERENCE_LABELS = ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
_COLUMNS = (
    PrinterColumn("Last Seen", "string", ".lastTimestamp"),
    PrinterColumn("Type", "string", ".type"),
    PrinterColumn("Reason", "string", ".reason"),
    PrinterColumn("Object", "string", ".involvedObject"),
    PrinterColumn("Message", "string", ".message"),
)

CORE = ResourceInfo(
    group="",
    version="v1",
    kind="Event",
    list_kind="EventList",
    plural="events",
    singular="event",
    short_names=("ev",),
    columns=_COLUMNS,
    selectable_fields=(
        *(f"involvedObject.{name}" for name in _REFERENCE_LABELS),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    schema=shapes.resource(_DESCRIPTION, ("involvedObject",), **_SAME, **_RENAMED_SHAPES),
)

NEW = ResourceInfo(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    list_kind="EventList",
    plural="events",
    singular="event",
    short_names=("ev",),
    columns=_COLUMNS,
    stored_as=EVENTS,
    selectable_fields=(
        *(f"regarding.{name}" for name in _REFERENCE_LABELS),
        "reason",
        "reportingController",
        "type",
    ),
    schema=shapes.resource(
        _DESCRIPTION, **_SAME, **{_NEW_NAME[name]: shape for name, shape in _RENAMED_SHAPES.items()}
    ),
)


def to_core(obj: JsonObject) -> JsonObject:
    """Convert from events.k8s.io/v1 to core/v1."""
    return {_RENAMED.get(name, name): value for name, value in obj.items()} | {"apiVersion": CORE.api_version}


def to_new(obj: JsonObject) -> JsonObject:
    """Convert from core/v1 to events.k8s.io/v1."""
    shown = {name: value for name, value in obj.items() if value != "" or name not in _ALWAYS}
    return {_NEW_NAME.get(name, name): value for name, value in shown.items()} | {"apiVersion": NEW.api_version}


class EventStrategy(Strategy):
    """Converts between both versions and validates by the version of the request."""

    create_on_update = True
    blank: ClassVar[JsonObject] = {"metadata": {}, "involvedObject": {}, **_ALWAYS}

    def __init__(self, info: ResourceInfo) -> None:
        super().__init__(info)
        self._new_node = compile_schema(NEW.schema or {})

    def node(self, info: ResourceInfo) -> Node:
        return self._new_node if info.group == NEW.group else self._node

    def to_storage(self, obj: JsonObject, info: ResourceInfo) -> JsonObject:
        stored = to_core(obj) if info.group == NEW.group else obj
        return {**stored, **{name: value for name, value in _ALWAYS.items() if name not in stored}}

    def view(self, info: ResourceInfo) -> View | None:
        return to_new if info.group == NEW.group else None

    def read_field(self, obj: JsonObject, path: str) -> str:
        if path == "source":
            return read_path(obj, "source.component") or read_path(obj, "reportingComponent")
        return read_path(obj, path)

    def validate_create(self, new: JsonObject, found: list[FieldError], info: ResourceInfo) -> list[FieldError]:
        strict = info.group == NEW.group
        return event_rules.check(new, strict=strict) + (event_rules.check_new(new) if strict else [])

    def validate_update(
        self, new: JsonObject, old: JsonObject, found: list[FieldError], info: ResourceInfo
    ) -> list[FieldError]:
        strict = info.group == NEW.group
        return event_rules.check(new, strict=strict) + (event_rules.check_change(new, old) if strict else [])
