"""Parses and validates the arguments that a model wrote for a tool call. Pure.

Call `parse` before the call is claimed or executed, for every type of tool. The text is untrusted. Invalid text raises
`InvalidArguments` and no other exception, and a value that `parse` accepts can be encoded as strict JSON again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from kubechain.tools import schemas
from kubechain.tools.model import InvalidArguments, InvalidSchema
from kubechain.tools.strictjson import MAX_DEPTH, MAX_DIGITS, NotStrict, decoded, to_json, type_name

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_DIGITS", "Arguments", "check_schema", "parse", "to_json"]

Arguments = dict[str, Any]
"""A JSON object."""

MAX_CHARACTERS = 1024 * 1024
"""Far more than a model writes in one response, and less than an object in the API server can hold."""


def parse(arguments: str, schema: Mapping[str, Any] | None) -> Arguments:
    """Parse the arguments of a model and validate them.

    Args:
        arguments: JSON text; empty text, white space and `null` count as no arguments, and a text that holds an object
            (encoded twice) counts as that object.
        schema: JSON schema of the arguments; None accepts any object.

    Raises:
        InvalidArguments: The text is not an object that matches the schema; the message names the location.
        InvalidSchema: The schema is invalid.
    """
    value = _object(arguments)
    if schema is not None and (trouble := schemas.trouble(value, _compiled(schema))):
        raise InvalidArguments(f"arguments: {trouble}")
    return value


def check_schema(schema: Mapping[str, Any]) -> None:
    """Validate a schema, so that a Tool can report an error before it is called.

    Raises:
        InvalidSchema: The schema is invalid; the message names the location.
    """
    _compiled(schema)


def _compiled(schema: Mapping[str, Any]) -> schemas.Compiled:
    try:
        return schemas.compiled(schemas.key(schema))
    except schemas.NotASchema as error:
        raise InvalidSchema(f"parameters: not a JSON schema: {error}") from error


def _object(text: str) -> Arguments:
    if len(text) > MAX_CHARACTERS:
        raise InvalidArguments(f"arguments: longer than {MAX_CHARACTERS} characters")
    if not text.strip():
        return {}
    try:
        value = decoded(text)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = decoded(value)
    except NotStrict as error:
        raise InvalidArguments(f"arguments: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidArguments(f"arguments: must be a JSON object, not {type_name(value)}")
    return cast(Arguments, value)
