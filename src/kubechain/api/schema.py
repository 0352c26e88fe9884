"""What a field's CRD schema says beyond its type: bounds, patterns and validation rules.

The annotations bind the API server, which refuses a bad manifest with a message. They are not enforced when an object
is read, because an object that was stored under an older, looser schema must still be readable. Nothing that knows a
particular kind belongs here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

JsonObject = dict[str, Any]
"""Free-form JSON, such as a tool's JSON schema; the server stores it as it came."""

NAME_LIMIT = 253
"""Longest object name that Kubernetes takes (RFC 1123 subdomain)."""

TEXT_LIMIT = 64 * 1024
"""Longest free text of a spec, in characters."""

NOT_BLANK = r"\S"
"""Pattern: at least one character that is not white space."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule that the API server evaluates on every write.

    Attributes:
        rule: The expression; `self` is the value, `oldSelf` (where used) the stored one.
        message: What the person who is refused reads.
        field_path: Path of the field to blame, relative to the value (`.command`), or empty for the value itself.
        is_missing: Whether the fault is that this field is not set: the server then says "Required value".
    """

    rule: str
    message: str
    field_path: str = ""
    is_missing: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """Additions to the OpenAPI schema of the annotated value; `None` means "not said".

    Attributes:
        default: What the API server fills in when the field is absent.
        preserve_unknown_fields: True for free-form JSON, which the server must not prune.
        rules: CEL rules on this value.
        extra: Further schema keys, as they appear on the wire.
    """

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    max_properties: int | None = None
    default: str | int | bool | None = None
    preserve_unknown_fields: bool = False
    rules: tuple[Rule, ...] = ()
    extra: Mapping[str, Any] | None = None


def was_over(terminal_phases: Iterable[str]) -> str:
    """The expression that an object had one of these phases before."""
    phases = ", ".join(f"'{phase}'" for phase in sorted(terminal_phases))
    return f"has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase in [{phases}]"


def final_phase_rule(terminal_phases: Iterable[str], message: str) -> Rule:
    """A rule for a whole object: once its status has one of these phases, the phase stays, whoever writes."""
    is_unchanged = "has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase"
    return Rule(f"!({was_over(terminal_phases)}) || ({is_unchanged})", message, ".status.phase")


Name = Annotated[str, Schema(min_length=1, max_length=NAME_LIMIT)]
Text = Annotated[str, Schema(max_length=TEXT_LIMIT)]
NonBlankText = Annotated[str, Schema(min_length=1, max_length=TEXT_LIMIT, pattern=NOT_BLANK)]
ShortText = Annotated[str, Schema(max_length=1024)]
Duration = Annotated[str, Schema(max_length=32, pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
"""A duration as Go programs write it, such as `90s` or `1h30m`."""
Url = Annotated[str, Schema(max_length=2048, pattern=r"^https?://[^\s]+$")]
PositiveInt = Annotated[int, Schema(minimum=1, maximum=2_147_483_647)]
NonNegativeInt = Annotated[int, Schema(minimum=0, maximum=2_147_483_647)]
Json = Annotated[JsonObject, Schema(preserve_unknown_fields=True)]
OutputSchema = Json
"""JSON schema of an answer; what is taken as one is checked by the controllers."""
