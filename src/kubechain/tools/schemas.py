"""Compiles JSON schemas and validates values against them. Pure; nothing is downloaded.

The patterns of a schema that untrusted people wrote are compiled by an engine whose time grows with the length of the
text alone. It knows no look-around and no back-references.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

from kubechain.net.schematree import mapping
from kubechain.tools import schemawork
from kubechain.tools.strictjson import shortened, shown, to_json

CACHE_SIZE = 4096
"""Number of compiled schemas to cache: about 10 kB each, one per tool and generation."""

_SHOWN_ERRORS = 3

_ALL_ERRORS_MAX = 4 * 1024 * 1024
"""Characters of a value times those of its schema up to which all errors are listed. Each branch of each alternative
is an error for each part of the value, and all of them are made before the first is there: gigabytes, if many."""

_LINEAR_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1024 * 1024, dfa_size_limit=1024 * 1024)
"""Bytes of a compiled pattern: `(a{1000}){1000}` is refused."""


_REFERENCES = re.compile(r'"\$(ref|dynamicRef|recursiveRef)":')


class NotASchema(ValueError):
    """The value is no JSON schema; the message names the location."""


def key(schema: Mapping[str, Any]) -> str:
    """The schema as text, under which its compiled form is cached.

    Raises:
        NotASchema: It cannot be written as JSON.
    """
    try:
        return json.dumps(schema, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotASchema("it cannot be written as JSON") from error


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that values can be validated against.

    Attributes:
        text: As `key` returns it.
        root: The schema; a schema that is no object (`true`, `false`) is an empty one.
    """

    text: str
    root: Mapping[str, Any]
    validator: jsonschema_rs.Validator


@lru_cache(maxsize=CACHE_SIZE)
def compiled(schema: str, *, has_linear_patterns: bool = False) -> Compiled:
    """Compile a schema; refuse references to other documents, which the library would download.

    Args:
        schema: As `key` returns it.
        has_linear_patterns: Whether only patterns are taken that need no backtracking.

    Raises:
        NotASchema: It is none.
    """
    patterns = _LINEAR_PATTERNS if has_linear_patterns else None
    try:
        root: Any = json.loads(schema)
        if schemawork.unfolded(mapping(root)) > schemawork.UNFOLDED_MAX:
            limit = f"{schemawork.UNFOLDED_MAX} schemas"
            raise NotASchema(f"its $refs multiply to more than {limit}: refer to each definition from fewer places")
        validator = jsonschema_rs.validator_for(root, offline=True, pattern_options=patterns)
    except jsonschema_rs.ValidationError as error:
        raise NotASchema(_error_text(error)) from None
    except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        raise NotASchema(shortened(str(error))) from None
    return Compiled(schema, mapping(root), validator)


def trouble(value: object, schema: Compiled) -> str:
    """Where a value does not match, in words; empty where it does."""
    if schema.validator.is_valid(value):
        return ""
    if _REFERENCES.search(schema.text) and not schemawork.lists_errors_soon(schema.root, value):
        return "$: does not match its schema, which allows too many alternatives to say where"
    errors = _errors(value, schema)
    messages = [_error_text(error) for error in errors[:_SHOWN_ERRORS]]
    return f"{'; '.join(messages)}{'; and more' if len(errors) > _SHOWN_ERRORS else ''}"


def _errors(value: object, schema: Compiled) -> list[jsonschema_rs.ValidationError]:
    """The first errors of a value, or only the first where there may be very many."""
    if len(to_json(value)) * len(schema.text) <= _ALL_ERRORS_MAX:
        return list(islice(schema.validator.iter_errors(value), _SHOWN_ERRORS + 1))
    try:
        schema.validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def path(steps: Iterable[str | int]) -> str:
    """Format a path as JSONPath."""
    return "$" + "".join(_step(step) for step in steps)


def _error_text(error: jsonschema_rs.ValidationError) -> str:
    return f"{path(error.instance_path)}: {shortened(error.message)}"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{shown(step)}]"
