"""Tables: what `kubectl get` prints, computed by the server as in kube-apiserver.

Columns of built-in kinds are in `builtin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

import orjson

from kubechain_apiserver.tables.jsonpath import BadPath, JsonPath, compile_path
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import PrinterColumn, ResourceInfo

IncludeObject = Literal["None", "Metadata", "Object"]
Cells = Callable[[JsonObject, float], list[Any]]
"""Returns the cells of a row, from an object and the time in seconds since the epoch."""

UNKNOWN: Final = "<unknown>"
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_YEAR: Final = 365 * _DAY

NAME_DESCRIPTION: Final = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
AGE_DESCRIPTION: Final = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One entry of a Table's `columnDefinitions`; priority 1 is shown with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def to_wire(self) -> JsonObject:
        """Return the entry as JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


NAME: Final = Column("Name", format="name", description=NAME_DESCRIPTION)


@dataclass(frozen=True, slots=True)
class Printer:
    """Columns and cells of one resource."""

    columns: tuple[Column, ...]
    cells: Cells

    def table(
        self, items: Sequence[JsonObject], metadata: JsonObject, *, now: float, include: IncludeObject, headers: bool
    ) -> JsonObject:
        """Return a Table of `items`.

        Args:
            metadata: ListMeta of the list, or of the one object.
            now: Seconds since the epoch, for ages.
            headers: False in a watch after the first event, to save the bytes.
        """
        rows = [{"cells": self.cells(item, now), "object": _included(item, include)} for item in items]
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": [column.to_wire() for column in self.columns] if headers else None,
            "rows": rows,
        }


def _included(item: JsonObject, include: IncludeObject) -> JsonObject | None:
    match include:
        case "None":
            return None
        case "Object":
            return item
        case "Metadata":
            return partial_object(item)


def partial_object(item: JsonObject) -> JsonObject:
    """Return the PartialObjectMetadata of an object."""
    metadata = item.get("metadata", {})
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


def custom_printer(info: ResourceInfo) -> Printer:
    """Return the printer of a CRD's `additionalPrinterColumns`; without any, kube-apiserver adds Age."""
    columns = info.columns or (PrinterColumn("Age", "date", ".metadata.creationTimestamp", AGE_DESCRIPTION),)
    makers = [(column.type, _path(column)) for column in columns]

    def cells(item: JsonObject, now: float) -> list[Any]:
        return [item["metadata"].get("name", ""), *(_cell(kind, path, item, now) for kind, path in makers)]

    return Printer((NAME, *(_definition(column) for column in columns)), cells)


def _definition(column: PrinterColumn) -> Column:
    described = column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return Column(column.name, column.type, column.format, described, column.priority)


def _path(column: PrinterColumn) -> JsonPath | None:
    try:
        return compile_path(column.json_path)
    except BadPath:  # such a CRD is refused at the door; one that got in anyway prints empty cells
        return None


def _cell(kind: str, path: JsonPath | None, item: JsonObject, now: float) -> Any:
    value = path.first(item) if path is not None else None
    if value is None:
        return None
    match kind, value:
        case "string", _:
            return text(value)
        case "integer", int() | float() if not isinstance(value, bool):
            return int(value)
        case "number", int() | float() if not isinstance(value, bool):
            return value
        case "boolean", bool():
            return value
        case "date", str():
            return age(value, now, invalid="<invalid>")
        case _:
            return None


def text(value: Any) -> str:
    """Return a value as kube-apiserver's JSONPath prints it: lists and objects as JSON."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return orjson.dumps(cast("Any", value)).decode()
        case _:
            return str(value)


def age(timestamp: str | None, now: float, *, invalid: str = UNKNOWN) -> str:
    """Return the age of an RFC 3339 timestamp; `<unknown>` for none."""
    if not timestamp:
        return UNKNOWN
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return invalid
    return human_duration(now - (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp())


def human_duration(seconds: float) -> str:
    """Return a duration in two units at most, as `duration.HumanDuration` of apimachinery does."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    for limit, unit, large, rest_unit, small in _STEPS:
        if whole < limit:
            rest = whole % unit // rest_unit if rest_unit else 0
            return f"{whole // unit}{large}" + (f"{rest}{small}" if rest else "")
    return f"{whole // _YEAR}y"


_STEPS: Final = (
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (180 * _MINUTE, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (48 * _HOUR, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)
"""Upper limit of an age (s), its unit, and the smaller unit."""


def created(item: JsonObject, now: float) -> str:
    """Return an object's age."""
    return age(item.get("metadata", {}).get("creationTimestamp"), now)


def list_metadata(resource_version: str, continue_: str, remaining: int | None) -> JsonObject:
    """Return the ListMeta of a list."""
    metadata: JsonObject = {"resourceVersion": resource_version}
    if continue_:
        metadata["continue"] = continue_
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    return metadata


def partial_list(items: Iterable[JsonObject], metadata: JsonObject) -> JsonObject:
    """Return the PartialObjectMetadataList of objects."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "items": [partial_object(item) for item in items],
    }
