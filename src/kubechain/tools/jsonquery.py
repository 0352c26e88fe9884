"""JMESPath over a JSON document, with a bound on what a query may cost.

Pure. Both the document and the query come from outside: a query of 200 characters
can double its result thirty times over, so every value that is made along the way is charged to a budget.
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
"""Far over any honest query; the library's parser is recursive."""

BUDGET = 500_000
"""Values that one query may make or pass on; some 0.2 s of CPU at most, while no other call proceeds."""

MAX_RESULT_CHARACTERS = 256 * 1024
"""As much as a context window holds inline."""

_CHARACTERS_PER_UNIT = 32


class QueryError(Exception):
    """The query cannot be answered; the message says why, in words for its author."""


class _BudgetSpent(Exception):
    pass


class _BoundedInterpreter(jmespath.visitor.TreeInterpreter):
    """Evaluates a query, and charges each value by its size as a tree, shared parts counted as often as they occur."""

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
    """Evaluate a JMESPath expression; the result is JSON text, `null` where nothing matches.

    Raises:
        QueryError: The expression is wrong, does not fit the document, or costs too much.
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
        # The library's functions let such errors through on odd operands.
        raise QueryError(f"query: does not fit the document: {_first_line(error)}") from None


def _written(result: object) -> str:
    """Write the result piece by piece, so that a huge one is noticed before it is whole."""
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
