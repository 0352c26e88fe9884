"""A story as plain values for JSON and YAML, with the names of the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, cast

from pydantic.alias_generators import to_camel

from kubechain.api.meta import KubeModel, time_text

Plain = str | int | float | bool | None | list[Any] | dict[str, Any]


def plain(value: object) -> Plain:
    """A value of this package; what is None or an empty text is left out of objects.

    Raises:
        TypeError: It has no plain form.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return str(value.value)
        case str():
            return value
        case datetime():
            return time_text(value)
        case KubeModel():
            return value.to_wire()
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            return {key: plain(each) for key, each in pairs}
        case tuple() | list():
            return [plain(each) for each in cast("Sequence[object]", value)]
        case _ if is_dataclass(value) and not isinstance(value, type):
            found = {to_camel(each.name): getattr(value, each.name) for each in fields(value)}
            return {name: plain(each) for name, each in found.items() if each is not None and each != ""}
        case _:
            raise TypeError(f"{type(value).__name__} has no plain form")
