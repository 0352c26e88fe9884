"""Validation rules of schemas (`x-kubernetes-validations`): compiled once per schema, run on each write."""

from __future__ import annotations

from typing import Any

from kubechain.embedded.field_errors import FieldError
from kubechain.embedded.schema.structural import Node

JsonObject = dict[str, Any]


class Rules:
    """All rules of a schema."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def check(self, new: JsonObject, old: JsonObject | None) -> list[FieldError]:
        """Complaints of the rules; `old` is None for a new object."""
        return []
