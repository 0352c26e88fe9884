"""Answers that must be JSON of a schema: `outputSchema` of an Agent, a Task or a TaskRun. Pure.

The schema is written by whoever may create such an object, the answer by a model. `check` takes only schemas against
which an answer is validated in bounded time: none that refers to itself or to another document, no pattern that needs
backtracking, and not more schemas than a limit once references are put in place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from kubechain.net.schematree import Steps, children, target
from kubechain.net.toolschemas import UnusableSchema, repaired
from kubechain.tools import schemas
from kubechain.tools.model import InvalidSchema
from kubechain.tools.strictjson import NotStrict, decoded, shown, to_json, type_name

SCHEMA_MAX_BYTES = 32 * 1024
"""A run keeps the schema in its status, which is written at each step."""

RESULT_MAX_BYTES = 64 * 1024
"""As much as `status.output` may have; the whole status has to fit into one object."""

SCHEMAS_MAX = 1_000
"""Schemas in one, references put in place; the models' own limits are lower."""

_DEPTH_MAX = 32

_LEADING_ELSEWHERE = ("$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
"""Keywords that change where references lead; not needed where all of them begin with `#`."""

_THOUGHT = re.compile(r"\A\s*<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"\A\s*```[a-zA-Z]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)
"""How models without a grammar write JSON: as a block of code."""

_INTEGERS = range(-(2**63), 2**63)
"""What an API server stores; it turns other integers into numbers that are near them."""


class NoMatch(ValueError):
    """The answer does not match; the message says where, for the model and for people."""


def check(schema: Mapping[str, Any]) -> None:
    """Find out whether answers can be validated against a schema.

    Raises:
        InvalidSchema: They cannot; the message names the location.
    """
    try:
        key = schemas.key(schema)
        if len(key.encode()) > SCHEMA_MAX_BYTES:
            raise InvalidSchema(f"has {len(key.encode())} bytes, the limit is {SCHEMA_MAX_BYTES}")
        _Walk(schema).visit(schema, (), ())
        _compiled(key)
        repaired(schema)
    except (schemas.NotASchema, UnusableSchema) as error:
        raise InvalidSchema(str(error)) from error
    except UnicodeEncodeError:
        raise InvalidSchema("not valid text: half of a surrogate pair") from None


def flaw(schema: Mapping[str, Any] | None) -> str:
    """Why answers cannot be validated against a schema; empty where they can, and where there is none."""
    if schema is None:
        return ""
    try:
        check(schema)
    except InvalidSchema as error:
        return f"spec.outputSchema: {error}"
    return ""


def parse(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read the answer of a model.

    Args:
        text: JSON; a thought before it and a block of code around it are left out.
        schema: One that `check` took.

    Raises:
        NoMatch: It is not a JSON object that matches the schema.
    """
    try:
        value = decoded(_without_wrapping(text))
    except NotStrict as error:
        raise NoMatch(str(error)) from None
    if not isinstance(value, dict):
        raise NoMatch(f"must be a JSON object, not {type_name(value)}")
    result = cast("dict[str, Any]", value)
    if (size := len(to_json(result).encode())) > RESULT_MAX_BYTES:
        raise NoMatch(f"has {size} bytes, a result may have {RESULT_MAX_BYTES}")
    if trouble := schemas.trouble(result, _compiled(schemas.key(schema))) or _unstorable(result, ()):
        raise NoMatch(trouble)
    return result


def _compiled(key: str) -> schemas.Compiled:
    try:
        return schemas.compiled(key, has_linear_patterns=True)
    except schemas.NotASchema as error:
        schemas.compiled(key)
        text = f"{error}: patterns with look-around or back-references are not supported"
        raise schemas.NotASchema(text) from None


def _without_wrapping(text: str) -> str:
    text = _THOUGHT.sub("", text, count=1)
    fenced = _FENCED.match(text)
    return fenced[1] if fenced else text


def _unstorable(value: object, way: Steps) -> str:
    """The first integer that no API server stores as it is; empty where there is none."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return "" if value in _INTEGERS else f"{schemas.path(way)}: an integer of more than 64 bits"
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inside = list(cast("dict[str | int, object]", value).items())
    if isinstance(value, list):
        inside = list(enumerate(cast("list[object]", value)))
    return next((found for step, one in inside if (found := _unstorable(one, (*way, step)))), "")


@dataclass(slots=True)
class _Walk:
    """A way through a schema as an answer is validated against it.

    Attributes:
        root: Where references lead to.
        count: Schemas so far.
    """

    root: Mapping[str, Any]
    count: int = 0

    def visit(self, schema: Mapping[str, Any], way: Steps, followed: tuple[int, ...]) -> None:
        """Count a schema and all that are inside.

        Args:
            way: To the schema.
            followed: The schemas that references on the way led to.

        Raises:
            NotASchema: It cannot be validated in bounded time.
        """
        self.count += 1
        if self.count > SCHEMAS_MAX or len(way) > 2 * _DEPTH_MAX or len(followed) > _DEPTH_MAX:
            limit = f"the limits are {SCHEMAS_MAX} schemas and {_DEPTH_MAX} levels, references put in place"
            raise schemas.NotASchema(f"too large: {limit}")
        for name in _LEADING_ELSEWHERE:
            if way and isinstance(schema.get(name), str):
                raise schemas.NotASchema(f"{schemas.path((*way, name))}: not supported: begin references with #/")
        if "$ref" in schema:
            self._follow(schema["$ref"], (*way, "$ref"), followed)
        for steps, inside in children(schema):
            self.visit(inside, (*way, *steps), followed)

    def _follow(self, reference: object, way: Steps, followed: tuple[int, ...]) -> None:
        place = schemas.path(way)
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            what = shown(reference) if isinstance(reference, str) else type_name(reference)
            raise schemas.NotASchema(f"{place}: must begin with #/, other documents are not read: {what}")
        found = target(self.root, reference)
        if found is None:
            raise schemas.NotASchema(f"{place}: leads to nothing: {shown(reference)}")
        if found is self.root or id(found) in followed:
            raise schemas.NotASchema(f"{place}: leads to a schema that it is inside of: {shown(reference)}")
        self.visit(found, way, (*followed, id(found)))
