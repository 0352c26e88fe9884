"""Fills in a form: fields as a person types them become values of the types that the form's schema names.

Forms are flat objects, as MCP servers send them: texts, numbers, truth values, choices and lists of choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubechain.cli.terminal import Failure
from kubechain.net.foreign import harmless, one_line
from kubechain.tools import arguments
from kubechain.tools.model import InvalidArguments, InvalidSchema

Schema = Mapping[str, Any]

_TRUTH = {"true": True, "yes": True, "false": False, "no": False}

_SHOWN_CHARACTERS = 500


def filled(pairs: Sequence[str], schema: Schema) -> str:
    """Return the form as JSON text.

    Args:
        pairs: `name=value` each; the same name again adds an entry to a list.
        schema: Of the form.

    Raises:
        Failure: A field is not one of the form's, or the form is not complete and correct with these.
    """
    values: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in _properties(schema):
            raise Failure(
                f'--field: NAME=VALUE with a field of the form expected: "{pair}" ({described(schema)})', status=2
            )
        values.setdefault(name, []).append(value)
    form = {name: _typed(name, given, _properties(schema)[name]) for name, given in values.items()}
    return checked(json.dumps(form, ensure_ascii=False), schema)


def checked(text: str, schema: Schema) -> str:
    """Return the JSON text of a form.

    Raises:
        Failure: It is not a JSON object that the schema allows.
    """
    try:
        arguments.parse(text, schema)
    except InvalidArguments as error:
        raise Failure(f"the form is not complete and correct: {error} ({described(schema)})", status=2) from error
    except InvalidSchema:
        return text
    return text


def described(schema: Schema) -> str:
    """The fields of a form, on one line."""
    required: Sequence[str] = schema.get("required", ())
    fields = [_field(name, each, is_required=name in required) for name, each in _properties(schema).items()]
    return one_line(harmless(f"fields: {', '.join(fields)}" if fields else "a form without fields"), _SHOWN_CHARACTERS)


def _field(name: str, schema: Schema, *, is_required: bool) -> str:
    options = _options(schema) or _options(schema.get("items", {}))
    what = "|".join(options) if options else str(schema.get("type", "text"))
    return f"{name} ({what}{', required' if is_required else ''})"


def _options(schema: Schema) -> list[str]:
    titled: Sequence[Schema] = schema.get("oneOf") or schema.get("anyOf") or ()
    return [str(each) for each in schema.get("enum", ())] or [str(each["const"]) for each in titled if "const" in each]


def _properties(schema: Schema) -> Mapping[str, Schema]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    return properties


def _typed(name: str, given: Sequence[str], schema: Schema) -> object:
    if schema.get("type") == "array":
        return [_scalar(name, each, schema.get("items", {})) for each in given]
    if len(given) > 1:
        raise Failure(f"--field: {name} is given {len(given)} times, and it is not a list", status=2)
    return _scalar(name, given[0], schema)


def _scalar(name: str, text: str, schema: Schema) -> object:
    """The value of the field's type; a text where the form names no other type."""
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
        if kind == "boolean":
            return _TRUTH[text.lower()]
    except (KeyError, ValueError) as error:
        raise Failure(f'--field: {name} is of type {kind}: "{text}"', status=2) from error
    return text
