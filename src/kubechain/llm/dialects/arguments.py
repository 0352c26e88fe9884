"""The arguments of a tool call as the JSON object that servers want to see in the history. Pure."""

from __future__ import annotations

import orjson

NO_OBJECT = "not_a_json_object"
"""Field that holds what a model wrote as arguments, when it is no JSON object."""


def object_text(text: str) -> str:
    """Return arguments as the text of a JSON object, whatever the model wrote: servers parse the history.

    An object goes back byte for byte; what is none goes back inside one.
    """
    value = _parsed(text)
    if isinstance(value, dict):
        return text
    inner = _parsed(value) if isinstance(value, str) else None
    if isinstance(inner, dict):  # encoded twice
        return str(value)
    if not text.strip() or text.strip() == "null":
        return "{}"
    return orjson.dumps({NO_OBJECT: text}).decode()


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
