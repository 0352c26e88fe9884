"""A form of an MCP server as the inputs of a Slack dialog. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubechain.humans import fields
from kubechain.humans.fields import Field, Schema
from kubechain.humans.slackblocks import LABEL_CHARACTERS, Json
from kubechain.net.foreign import cut, harmless, one_line

MAX_FIELDS = 90
"""Slack takes 100 blocks in a dialog."""

MAX_OPTIONS = 100
MAX_VALUE_CHARACTERS = 150

LABEL_MAX_CHARACTERS = 2_000
HINT_MAX_CHARACTERS = 2_000
TEXT_MAX_CHARACTERS = 3_000


def inputs(schema: Schema | None) -> list[Json] | None:
    """The inputs of a form; None for one that a dialog cannot hold."""
    found = fields.described(schema)
    return [_input(one) for one in found] if len(found) <= MAX_FIELDS and all(_fits(one) for one in found) else None


def _fits(field: Field) -> bool:
    if field.kind in ("choice", "choices") and not 0 < len(field.options) <= MAX_OPTIONS:
        return False
    values = (*(value for value, _ in field.options), *(field.shown if field.options else ()))
    return all(0 < len(value) <= MAX_VALUE_CHARACTERS for value in values)


def _input(field: Field) -> Json:
    made: Json = {
        "type": "input",
        "block_id": field.id,
        # A box that is not ticked is an answer too.
        "optional": not field.is_required or field.kind == "boolean",
        "label": {"type": "plain_text", "text": one_line(harmless(field.title), LABEL_MAX_CHARACTERS) or field.id},
        "element": {"action_id": field.id, **_element(field)},
    }
    hint = one_line(harmless(field.hint), HINT_MAX_CHARACTERS)
    return made | ({"hint": {"type": "plain_text", "text": hint}} if hint else {})


def _element(field: Field) -> Json:
    match field.kind:
        case "text":
            return {"type": "plain_text_input", "max_length": TEXT_MAX_CHARACTERS, **_initial(field)}
        case "integer" | "number":
            return {"type": "number_input", "is_decimal_allowed": field.kind == "number", **_initial(field)}
        case "boolean":
            ticked = _option("true", "Yes")
            return {"type": "checkboxes", "options": [ticked], **_chosen("initial_options", field.shown, [ticked])}
        case "choice":
            options = [_option(value, label) for value, label in field.options]
            chosen = _chosen("initial_option", field.shown, options)
            return {"type": "static_select", "options": options, **{name: one[0] for name, one in chosen.items()}}
        case "choices":
            options = [_option(value, label) for value, label in field.options]
            return {
                "type": "multi_static_select",
                "options": options,
                **_chosen("initial_options", field.shown, options),
            }


def _initial(field: Field) -> dict[str, str]:
    text = field.shown[-1] if field.shown else ""
    return {"initial_value": cut(text, TEXT_MAX_CHARACTERS)} if text else {}


def _chosen(name: str, shown: Sequence[str], options: Sequence[Json]) -> dict[str, Any]:
    found = [one for one in options if one["value"] in shown]
    return {name: found} if found else {}


def _option(value: str, label: str) -> Json:
    text = one_line(harmless(label), LABEL_CHARACTERS) or value[:LABEL_CHARACTERS]
    return {"text": {"type": "plain_text", "text": text}, "value": value}
