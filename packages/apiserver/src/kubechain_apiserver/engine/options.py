"""The options of requests, as the engine takes them: read from the query once, and passed on as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

FieldValidation = Literal["Ignore", "Warn", "Strict"]
Propagation = Literal["Background", "Foreground", "Orphan"]
Warn = Callable[[str], None]


def ignore_warning(text: str) -> None:
    """For callers that do not show warnings."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to create, update or patch.

    Attributes:
        dry_run: Do everything but keep the result.
        field_manager: Who writes, for `metadata.managedFields`; "" tracks the write as "unknown".
        field_validation: What unknown and duplicate fields lead to.
        force: Server-side apply takes fields over from other managers.
        warn: Called with each text for a `Warning` header.
        strict_errors: What strict decoding finds in the text of the body, such as fields that occur twice; they are
            treated as unknown fields are.
    """

    dry_run: bool = False
    field_manager: str = ""
    field_validation: FieldValidation = "Warn"
    force: bool = False
    warn: Warn = ignore_warning
    strict_errors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the object for a delete to happen; "" asks for nothing."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete.

    Attributes:
        propagation: What happens to dependents; None is the default of the kind.
        grace_period_seconds: Accepted, without effect for all kinds here.
    """

    preconditions: Preconditions = Preconditions()
    propagation: Propagation | None = None
    grace_period_seconds: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Which objects to list, and from where on."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Which objects to watch, from where on, and for how long; None for `timeout_seconds`: without an end."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: float | None = None
