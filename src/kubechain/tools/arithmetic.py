"""Adds, subtracts, multiplies and divides JSON numbers. Pure.

Integers stay exact up to `MAX_DIGITS`. A calculation without a result returns an `Output` with an error message. It
raises no exception, and returns neither `inf` nor `nan`, which JSON cannot represent.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from kubechain.tools.arguments import MAX_DIGITS, to_json
from kubechain.tools.model import InvalidArguments, Output

Number = int | float

DIVISION_BY_ZERO = "division by zero"
TOO_LARGE = "the result is too large for a number"

_MAX_BITS = int(MAX_DIGITS * math.log2(10))


def add(arguments: Mapping[str, Any]) -> Output:
    """Add `a` and `b`."""
    return _calculate(operator.add, arguments)


def subtract(arguments: Mapping[str, Any]) -> Output:
    """Subtract `b` from `a`."""
    return _calculate(operator.sub, arguments)


def multiply(arguments: Mapping[str, Any]) -> Output:
    """Multiply `a` and `b`."""
    return _calculate(operator.mul, arguments)


def divide(arguments: Mapping[str, Any]) -> Output:
    """Divide `a` by `b`; the result of two integers is an integer if there is no remainder."""
    return _calculate(_quotient, arguments)


def _quotient(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def _calculate(operation: Callable[[Any, Any], Number], arguments: Mapping[str, Any]) -> Output:
    a, b = _number(arguments, "a"), _number(arguments, "b")
    try:
        result = operation(a, b)
    except ZeroDivisionError:
        return Output(DIVISION_BY_ZERO, is_error=True)
    except OverflowError:
        return Output(TOO_LARGE, is_error=True)
    return Output(to_json(result)) if _can_be_written(result) else Output(TOO_LARGE, is_error=True)


def _can_be_written(number: Number) -> bool:
    return math.isfinite(number) if isinstance(number, float) else number.bit_length() <= _MAX_BITS


def _number(arguments: Mapping[str, Any], name: str) -> Number:
    """Return an operand. Check its type again, because the schema of a Tool may be looser than that of the function."""
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArguments(f"arguments: $.{name}: must be a number")
    return value
