"""What the JSON schema of a Tool says about its arguments by name: which there may be, and whether a call is possible.

Pure. The schema has passed `arguments.check_schema`. Validating the arguments of a call belongs to `arguments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from kubechain.tools.model import InvalidSchema, InvalidTool

Schema = Mapping[str, Any]

_ALTERNATIVES = ("allOf", "anyOf", "oneOf")
_CONDITIONAL = ("if", "then", "else")
_SHOWN_NAMES = 10


def check_callable(schema: Schema) -> None:
    """See that a call can satisfy the schema: that it describes an object, and allows what it requires.

    Raises:
        InvalidSchema: No arguments can satisfy it.
    """
    types = _types(schema)
    if types and "object" not in types:
        raise InvalidSchema(f"parameters: must describe an object, not {' or '.join(sorted(types))}")
    if schema.get("additionalProperties") is False and not schema.keys() & {*_ALTERNATIVES, "$ref"}:
        for name in _texts(schema.get("required")):
            if not allows(schema, name):
                raise InvalidSchema(f'parameters: "{name}" is required, and it is not among the properties')


def check_placeholders(where: str, names: Iterable[str], schema: Schema) -> None:
    """See that the model can give each argument that a template uses.

    Args:
        where: The template, for the message.

    Raises:
        InvalidTool: An argument is not among the properties of the schema.
    """
    for name in sorted(names):
        if not allows(schema, name):
            raise InvalidTool(f"{where}: {{{name}}} is not among the parameters, which are: {_listed(schema)}")


def check_signature(what: str, needed: Schema, schema: Schema) -> None:
    """See that a schema provides the arguments that a function needs.

    Args:
        what: The function, for the message.
        needed: The function's own schema.

    Raises:
        InvalidTool: An argument is missing, or has another type.
    """
    own = _properties(needed)
    for name in _texts(needed.get("required")):
        if not allows(schema, name):
            raise InvalidTool(f'parameters: {what} needs "{name}", which is not among them: {_listed(schema)}')
        wanted, given = _types(own.get(name)), _types(_properties(schema).get(name))
        if "number" in wanted:
            wanted |= {"integer"}
        if wanted and given and not wanted & given:
            raise InvalidTool(f'parameters: {what} needs "{name}" as {min(_types(own.get(name)))}')


def allows(schema: Schema, name: str) -> bool:
    """Whether the schema tells the model of an argument of that name."""
    return any(name in _properties(part) or _matches(part, name) for part in _parts(schema))


def _matches(part: Schema, name: str) -> bool:
    return any(_is_match(pattern, name) for pattern in _mapping(part.get("patternProperties")))


def _is_match(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return True  # ECMAScript's patterns are not all Python's: in doubt the name is allowed


def _parts(schema: Schema) -> Iterator[Schema]:
    """The schema and all that apply to the same object."""
    pending, seen = [schema], set[int]()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        listed = [one for key in _ALTERNATIVES for one in _items(part.get(key))]
        nested = [part.get(key) for key in _CONDITIONAL] + list(_mapping(part.get("dependentSchemas")).values())
        pending += [_mapping(one) for one in (*listed, *nested, _referred(schema, part.get("$ref"))) if one]


def _referred(root: Schema, reference: object) -> object:
    """What a reference within the document leads to; None for another document, or for nothing."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: object = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
    return found


def _properties(part: object) -> Mapping[str, Any]:
    return _mapping(_mapping(part).get("properties"))


def _types(part: object) -> set[str]:
    said = _mapping(part).get("type")
    return {said} if isinstance(said, str) else set(_texts(said))


def _listed(schema: Schema) -> str:
    names = sorted({name for part in _parts(schema) for name in _properties(part)})
    return ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "") or "none"


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _items(value: object) -> list[object]:
    return cast(list[object], value) if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [one for one in _items(value) if isinstance(one, str)]
