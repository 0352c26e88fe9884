"""The options of a request: its query string and the body of a delete, as typed values.

Called by `verbs`. Nothing else in this package may look into a query string.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from kubechain.embedded import errors
from kubechain.embedded.core import FieldValidation
from kubechain.embedded.engine import Preconditions, Propagation
from kubechain.embedded.registry import JsonObject
from kubechain.embedded.tables import IncludeObject

_FIELD_VALIDATION: Final = {"": "Warn", "Ignore": "Ignore", "Warn": "Warn", "Strict": "Strict"}
_PROPAGATION: Final = frozenset({"Background", "Foreground", "Orphan"})
_FALSE: Final = frozenset({"0", "false"})
"""What apimachinery takes for false; whatever else is given means true, so `?watch` alone does."""


class Query:
    """The parameters of a query string; of a repeated one the first counts."""

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
        """Return a parameter's truth, or None where it is not given."""
        return self.flag(key) if key in self._values else None

    def number(self, key: str, default: int | None = None) -> int | None:
        """Return a parameter as an integer.

        Raises:
            StatusError: 400, it is none.
        """
        value = self._values.get(key)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise errors.bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be kept.

        Raises:
            StatusError: 422, for a value other than `All`.
        """
        return _dry_run([self._values["dryRun"]] if self._values.get("dryRun") else [])

    @property
    def field_validation(self) -> FieldValidation:
        """What to do about unknown fields.

        Raises:
            StatusError: 422, for a value that does not exist.
        """
        value = self.text("fieldValidation")
        if value not in _FIELD_VALIDATION:
            raise _unsupported("fieldValidation", value, ("Ignore", "Strict", "Warn"), kind="PatchOptions")
        return cast("FieldValidation", _FIELD_VALIDATION[value])

    @property
    def include_object(self) -> IncludeObject:
        """How much of each object a Table carries.

        Raises:
            StatusError: 400, for a value that does not exist.
        """
        value = self.text("includeObject") or "Metadata"
        if value not in {"None", "Metadata", "Object"}:
            raise errors.bad_request(f'unrecognized includeObject value: "{value}"')
        return cast("IncludeObject", value)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete; None is the default of the kind."""

    preconditions: Preconditions
    propagation: Propagation | None
    grace_period_seconds: int | None
    orphan_dependents: bool | None
    dry_run: bool


def delete_options(query: Query, body: JsonObject) -> DeleteOptions:
    """Merge the two places in which options of a delete may stand; the body wins, as in kube-apiserver.

    Raises:
        StatusError: 422, for a value that does not exist.
    """
    preconditions: Mapping[str, Any] = body.get("preconditions") or {}
    propagation = body.get("propagationPolicy") or query.text("propagationPolicy") or None
    if propagation is not None and propagation not in _PROPAGATION:
        raise _unsupported(
            "propagationPolicy", propagation, ("Foreground", "Background", "Orphan"), kind="DeleteOptions"
        )
    grace = body.get("gracePeriodSeconds")
    orphan = body.get("orphanDependents")
    return DeleteOptions(
        preconditions=Preconditions(preconditions.get("uid") or "", preconditions.get("resourceVersion") or ""),
        propagation=cast("Propagation | None", propagation),
        grace_period_seconds=grace if grace is not None else query.number("gracePeriodSeconds"),
        orphan_dependents=orphan if orphan is not None else query.optional_flag("orphanDependents"),
        dry_run=_dry_run(body.get("dryRun") or []) or query.dry_run,
    )


def _dry_run(values: list[str]) -> bool:
    for value in values:
        if value != "All":
            raise _unsupported("dryRun", value, ("All",), kind="DeleteOptions")
    return bool(values)


def _unsupported(field: str, value: str, supported: tuple[str, ...], *, kind: str) -> errors.StatusError:
    known = ", ".join(f'"{item}"' for item in supported)
    cause = errors.Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {known}', field)
    return errors.invalid("meta.k8s.io", kind, "", causes=[cause])
