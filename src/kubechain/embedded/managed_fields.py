"""Who manages which field: `metadata.managedFields`, kept on every write."""

from __future__ import annotations

from typing import Any

from kubechain.embedded.core import WriteOptions
from kubechain.embedded.strategy import Strategy

JsonObject = dict[str, Any]


def track(
    new: JsonObject,
    old: JsonObject | None,
    strategy: Strategy,
    options: WriteOptions,
    *,
    now: str,
    subresource: str,
) -> None:
    """Bring `managedFields` of `new` up to date, in place."""


def equal_but_for_times(new: JsonObject, old: JsonObject) -> bool:
    """Whether a write would change nothing."""
    return new == old
