"""Evaluates JMESPath on a JSON document, with a limit on the cost of a query. Pure.

The document and the query are untrusted. A query of 200 characters can double its result thirty times, so the size of
each intermediate value counts towards `BUDGET`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import jmespath.exceptions
import jmespath.parser
import jmespath.visitor

from kubechain.net import foreign

MAX_QUERY_CHARACTERS = 2048
"""Maximum length of a query, far more than real queries need; the parser of the library is recursive."""

BUDGET = 500_000
"""Maximum number of values that a query may produce: at most about 0.2 s of CPU, which block the event loop."""

MAX_RESULT_CHARACTERS = 256 * 1024
"""Maximum length of a result, chosen to fit into a context window."""

_CHARACTERS_PER_UNIT = 32


class QueryError(Exception):
    """The query failed; the message tells the model why."""


class _BudgetSpent(Exception):
    pass


class _BoundedInterpreter(jmespath.visitor.TreeInterpreter):
    """Evaluates a query, and counts the size of each value as a tree; shared parts count once per occurrence."""

    def __init__(self) -> None:
        super().__init__()
        self._left = BUDGET

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        value = super().visit(node, *args, **kwargs)
        self._charge(value)
        return value

    def _charge(self, value: Any) -> None:
        pending = [value]
        while pending:
            item = pending.pop()
            self._left -= 1 + (len(item) // _CHARACTERS_PER_UNIT if isinstance(item, str) else 0)
            if self._left < 0:
                raise _BudgetSpent
            if isinstance(item, dict):
                pending.extend(cast(dict[str, Any], item).values())
            elif isinstance(item, list):
                pending.extend(cast(list[Any], item))


def query(document: object, expression: str) -> str:
    """Evaluate a JMESPath expression; return JSON text, which is `null` if nothing matches.

    Raises:
        QueryError: The expression is invalid, does not fit the document, or exceeds a limit.
    """
    if len(expression) > MAX_QUERY_CHARACTERS:
        raise QueryError(f"query: longer than {MAX_QUERY_CHARACTERS} characters")
    try:
        parsed = jmespath.parser.Parser().parse(expression).parsed
        result = _BoundedInterpreter().visit(parsed, document)
        return _written(result)
    except jmespath.exceptions.JMESPathError as error:
        raise QueryError(f"query: {_first_line(error)}") from None
    except (_BudgetSpent, RecursionError, MemoryError):
        raise QueryError("query: costs too much on this document: ask for less of it") from None
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        # Functions of the library raise these errors on operands of an unexpected type.
        raise QueryError(f"query: does not fit the document: {_first_line(error)}") from None


def _written(result: object) -> str:
    """Encode the result in chunks, to stop as soon as it exceeds the limit."""
    return "".join(_bounded(json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).iterencode(result)))


def _bounded(chunks: Iterator[str]) -> Iterator[str]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > MAX_RESULT_CHARACTERS:
            raise QueryError(f"query: the result is longer than {MAX_RESULT_CHARACTERS} characters: ask for less of it")
        yield chunk


def _first_line(error: Exception) -> str:
    return foreign.cut(str(error).partition("\n")[0]) or type(error).__name__
