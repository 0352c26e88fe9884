"""Validation of Events: lenient for core/v1, strict for events.k8s.io/v1."""

from __future__ import annotations

from kubechain_apiserver.kinds.metadata import IMMUTABLE
from kubechain_apiserver.wire import names
from kubechain_apiserver.wire.field_errors import FieldError, invalid, required
from kubechain_apiserver.wire.json_types import JsonObject

_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_UNSET = ("firstTimestamp", "lastTimestamp", "count", "source")
_FIXED = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type"),
    *("eventTime", "action", "related", "reportingComponent", "reportingInstance"),
)
_SHOWN = {"reportingComponent": "reportingController"}


def check(event: JsonObject, *, strict: bool) -> list[FieldError]:
    """Return the errors of an Event; with an `eventTime` the rules are strict."""
    if not event.get("eventTime"):
        return _check_namespace(event, lenient=("", "default"))
    found = [] if _namespace(event) else _check_namespace(event, lenient=("default", "kube-system"))
    name = "reportingController" if strict else "reportingComponent"
    controller = event.get("reportingComponent", "")
    if not controller:
        found.append(required(name))
    found += [invalid(name, controller, text) for text in names.label_key(controller)]
    for field, limit in _LIMITS.items():
        value = event.get(field, "")
        if not value and field != "message":
            found.append(required(field))
        if len(value.encode()) > limit:
            found.append(invalid(field, "", f"can have at most {limit} characters"))
    return found


def _namespace(event: JsonObject) -> str:
    about: JsonObject = event.get("involvedObject") or {}
    return about.get("namespace", "")


def _check_namespace(event: JsonObject, *, lenient: tuple[str, ...]) -> list[FieldError]:
    about, own = _namespace(event), event["metadata"]["namespace"]
    if about == own or (not about and own in lenient):
        return []
    return [invalid("involvedObject.namespace", about, "does not match event.namespace")]


def check_new(event: JsonObject) -> list[FieldError]:
    """Return further errors of an Event that is created through events.k8s.io/v1."""
    found = _check_series(event)
    if not event.get("eventTime"):
        found.append(required("eventTime"))
    type_ = event.get("type", "")
    if type_ not in {"Normal", "Warning"}:
        found.append(invalid("type", "", f"has invalid value: {type_}"))
    return found + [invalid(name, "", "needs to be unset") for name in _UNSET if event.get(name)]


def check_change(new: JsonObject, old: JsonObject) -> list[FieldError]:
    """Return the errors of an update through events.k8s.io/v1, which may change the series and little else."""
    found = _check_series(new) if new.get("series") != old.get("series") else []
    for name in _FIXED:
        if new.get(name) != old.get(name):
            found.append(invalid(_SHOWN.get(name, name), new.get(name), IMMUTABLE))
    return found


def _check_series(event: JsonObject) -> list[FieldError]:
    series: JsonObject | None = event.get("series")
    if series is None:
        return []
    found: list[FieldError] = []
    if series.get("count", 0) < 2:
        found.append(invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        found.append(required("series.lastObservedTime"))
    return found
