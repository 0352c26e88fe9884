"""Options of a request, from its query string and the body of a delete, as the engine's option objects.

No other module reads a query string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from kubechain_apiserver.engine.options import (
    DeleteOptions,
    FieldValidation,
    ListOptions,
    Preconditions,
    Propagation,
    Warn,
    WatchOptions,
    WriteOptions,
)
from kubechain_apiserver.tables.tables import IncludeObject
from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.field_errors import OMITTED, FieldError, causes, invalid
from kubechain_apiserver.wire.json_types import JsonObject

_FIELD_VALIDATION: Final = ("Ignore", "Strict", "Warn")
_PROPAGATION: Final = ("Foreground", "Background", "Orphan")
_FIELD_MANAGER_LENGTH: Final = 128
_MATCH: Final = "resourceVersionMatch"
_INITIAL: Final = "sendInitialEvents"
_FALSE: Final = frozenset({"0", "false"})
"""Values that apimachinery parses as false; all others are true, so that `?watch` alone is."""


class Query:
    """Parameters of a query string; of a repeated one the first counts."""

    __slots__ = ("_values",)

    def __init__(self, raw: str) -> None:
        self._values: dict[str, str] = {}
        if raw:
            for key, value in parse_qsl(raw, keep_blank_values=True):
                self._values.setdefault(key, value)

    def text(self, key: str) -> str:
        """Return a parameter, or ""."""
        return self._values.get(key, "")

    def flag(self, key: str) -> bool:
        """Return whether a parameter is set to true."""
        value = self._values.get(key)
        return value is not None and value.lower() not in _FALSE

    def optional_flag(self, key: str) -> bool | None:
        """Return a parameter as a boolean, or None if it is absent."""
        return self.flag(key) if key in self._values else None

    def number(self, key: str, default: int | None = None) -> int | None:
        """Return a parameter as an integer.

        Raises:
            StatusError: 400, it is no number.
        """
        value = self._values.get(key)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None

    @property
    def include_object(self) -> IncludeObject:
        """How much of each object a Table contains.

        Raises:
            StatusError: 400 for an unknown value.
        """
        value = self.text("includeObject") or "Metadata"
        if value not in {"None", "Metadata", "Object"}:
            why = f"Invalid value: \"{value}\": must be 'Metadata', 'Object', 'None', or empty"
            raise errors.bad_request(f"Unable to convert to Table as requested: includeObject: {why}")
        return cast("IncludeObject", value)


def write_options(query: Query, *, kind: str, user_agent: str, warn: Warn) -> WriteOptions:
    """Return the options of a write.

    Args:
        kind: Such as `CreateOptions`, for error messages.
        user_agent: Its first word is the field manager if none is given.
        warn: Called with each text for a `Warning` header.

    Raises:
        StatusError: 422 for unknown values.
    """
    dry_run, manager, validation = _all(query, "dryRun"), query.text("fieldManager"), query.text("fieldValidation")
    found: list[FieldError] = []
    if len(manager) > _FIELD_MANAGER_LENGTH:
        detail = f"may not be more than {_FIELD_MANAGER_LENGTH} bytes"
        found.append(FieldError("FieldValueTooLong", "fieldManager", OMITTED, detail))
    found += _dry_run_errors(dry_run)
    if validation and validation not in _FIELD_VALIDATION:
        found.append(_unsupported("fieldValidation", validation, ("", *_FIELD_VALIDATION)))
    _refuse(kind, found)
    return WriteOptions(
        dry_run=bool(dry_run),
        field_manager=manager or user_agent.partition("/")[0][:_FIELD_MANAGER_LENGTH] or "unknown",
        field_validation=cast("FieldValidation", validation or "Warn"),
        force=query.flag("force"),
        warn=warn,
    )


def check_version(version: str) -> None:
    """Refuse an invalid resourceVersion of a get.

    Raises:
        StatusError: 500, as from kube-apiserver.
    """
    if version and not (version.isascii() and version.isdigit()):
        text = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise errors.StatusError(500, "", message=text)


def list_options(query: Query) -> ListOptions:
    """Return the options of a list.

    Raises:
        StatusError: 422 for invalid combinations, 400 for a limit that is no number.
    """
    _refuse("ListOptions", _list_errors(query))
    return ListOptions(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        limit=query.number("limit", 0) or 0,
        continue_=query.text("continue"),
        resource_version=query.text("resourceVersion"),
        resource_version_match=query.text(_MATCH),
    )


def selectors(query: Query) -> ListOptions:
    """Return the selectors of deletecollection, which ignores the other options of a list."""
    return ListOptions(label_selector=query.text("labelSelector"), field_selector=query.text("fieldSelector"))


def watch_options(query: Query, *, default_seconds: float) -> WatchOptions:
    """Return the options of a watch.

    Args:
        default_seconds: Duration if the query has none.

    Raises:
        StatusError: 422 for invalid combinations, 400 for a time-out that is no number.
    """
    _refuse("ListOptions", _watch_errors(query))
    return WatchOptions(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        resource_version=query.text("resourceVersion"),
        allow_bookmarks=query.flag("allowWatchBookmarks"),
        send_initial_events=query.optional_flag(_INITIAL),
        timeout_seconds=query.number("timeoutSeconds") or default_seconds,
    )


def _list_errors(query: Query) -> list[FieldError]:
    found: list[FieldError] = []
    match, version = query.text("resourceVersionMatch"), query.text("resourceVersion")
    if match and not version:
        found.append(_forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if match and query.text("continue"):
        found.append(_forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    if match and match not in {"Exact", "NotOlderThan"}:
        found.append(_unsupported(_MATCH, match, ("Exact", "NotOlderThan", "")))
    if match == "Exact" and version == "0":
        found.append(_forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if query.optional_flag(_INITIAL) is not None:
        found.append(_forbidden(_INITIAL, "sendInitialEvents is forbidden for list"))
    return found


def _watch_errors(query: Query) -> list[FieldError]:
    found: list[FieldError] = []
    match, initial = query.text("resourceVersionMatch"), query.optional_flag(_INITIAL)
    if initial is not None and match != "NotOlderThan":
        found.append(_forbidden(_MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match and initial is None:
        found.append(
            _forbidden(_MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        )
    if match and match != "NotOlderThan":
        found.append(_unsupported(_MATCH, match, ("NotOlderThan",)))
    if match and query.text("continue"):
        found.append(_forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    return found


def delete_options(query: Query, body: JsonObject) -> DeleteOptions:
    """Return the options of a delete, from query and body; the body wins, as in kube-apiserver.

    Raises:
        StatusError: 422 for an unknown value, or if both `propagationPolicy` and the older `orphanDependents` are set.
    """
    preconditions: Mapping[str, Any] = body.get("preconditions") or {}
    propagation = body.get("propagationPolicy") or query.text("propagationPolicy") or None
    dry_run = body.get("dryRun") or _all(query, "dryRun")
    found = _dry_run_errors(dry_run)
    if propagation is not None and propagation not in _PROPAGATION:
        found.insert(0, _unsupported("propagationPolicy", propagation, (*_PROPAGATION, "nil")))
    _refuse("DeleteOptions", found)
    grace = body.get("gracePeriodSeconds")
    return DeleteOptions(
        preconditions=Preconditions(preconditions.get("uid") or "", preconditions.get("resourceVersion") or ""),
        propagation=_propagation(propagation, query, body),
        grace_period_seconds=grace if grace is not None else query.number("gracePeriodSeconds"),
        dry_run=bool(dry_run),
    )


def _propagation(policy: str | None, query: Query, body: JsonObject) -> Propagation | None:
    orphan = body.get("orphanDependents")
    if orphan is None:
        orphan = query.optional_flag("orphanDependents")
    if orphan is None:
        return cast("Propagation | None", policy)
    if policy is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        _refuse("DeleteOptions", [invalid("propagationPolicy", policy, text)])
    return "Orphan" if orphan else "Background"


def _all(query: Query, key: str) -> list[str]:
    value = query.text(key)
    return [value] if value else []


def _dry_run_errors(values: list[str]) -> list[FieldError]:
    known = all(value == "All" for value in values)
    return [] if known else [FieldError("FieldValueNotSupported", "dryRun", values, 'supported values: "All"')]


def _unsupported(field: str, value: str, supported: tuple[str, ...]) -> FieldError:
    known = ", ".join(f'"{item}"' for item in supported)
    return FieldError("FieldValueNotSupported", field, value, f"supported values: {known}")


def _forbidden(field: str, why: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, OMITTED, why)


def _refuse(kind: str, found: list[FieldError]) -> None:
    if found:
        raise errors.invalid("meta.k8s.io", kind, "", causes=causes(found))
