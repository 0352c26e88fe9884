"""The CEL environment of validation rules: Google's runtime, with the libraries that Kubernetes adds to the language.

Only `rules` uses it. Compiling costs about 50 µs a rule, evaluating about 4 µs.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_math, ext_optional, ext_strings

from kubechain_apiserver.rules import cel_library

_DYN, _LIST = cel.Type.DYN, cel.Type.List(cel.Type.DYN)
_OLD_AS_OPTIONAL = "(size(oldSelves) == 0 ? optional.none() : optional.of(oldSelves[0]))"

CompilationError = RuntimeError
"""What the library raises for an expression that is none."""


class EvaluationError(Exception):
    """An expression failed, instead of giving a value."""


class Program:
    """A compiled expression over `self` and `oldSelf`.

    Args:
        optional_old: `oldSelf` is an optional value, absent for a new object.

    Raises:
        CompilationError: it is no expression.
    """

    __slots__ = ("_compiled", "text", "uses_old")

    def __init__(self, text: str, *, optional_old: bool = False) -> None:
        self.text = text
        self.uses_old = re.search(r"\boldSelf\b", text) is not None
        source = re.sub(r"\boldSelf\b", _OLD_AS_OPTIONAL, text) if optional_old else text
        self._compiled = _compiled(source)

    def evaluate(self, values: cel.Activation) -> Any:
        """The value of the expression.

        Raises:
            EvaluationError: it has none: a key is absent, an index out of bounds, types do not fit.
        """
        found = self._compiled.eval(values)
        if found.type() == cel.Type.ERROR:
            raise EvaluationError(_reason(str(found.value())))
        return found.plain_value()


def serialized(text: str) -> tuple[bytes, str]:
    """The syntax tree of an expression, as `cel_tree` reads it, and what is wrong besides syntax and types ("").

    Raises:
        CompilationError: it is no expression.
    """
    try:
        return _compiled(text).serialize(), ""
    except CompilationError as error:
        return _environment().compile(text, disable_check=True).serialize(), message(error)


def message(error: CompilationError) -> str:
    """What the compiler says, without what the library puts around it."""
    return str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")


def bind(value: Any, old: Any, *, has_old: bool) -> cel.Activation:
    """The values of the variables, for all rules of one place."""
    return _environment().Activation({"self": value, "oldSelf": old, "oldSelves": [old] if has_old else []})


def _reason(text: str) -> str:
    """The error as cel-go, which kube-apiserver uses, words it."""
    if found := re.search(r'Key not found in map : "(.*)"', text):
        return f"no such key: {found[1]}"
    if found := re.search(r"Index error: index=(-?\d+)", text):
        return f"index out of bounds: {found[1]}"
    if "divide by zero" in text:
        return "division by zero"
    if "No matching overloads" in text:
        return "no such overload"
    return text.partition(": ")[2] or text


@functools.lru_cache(maxsize=1024)
def _compiled(source: str) -> cel.Expression:
    """Each rule is compiled twice: when its definition is made, and when its kind is first written."""
    return _environment().compile(source)


@functools.cache
def _environment() -> cel.Env:
    return cel.NewEnv(
        variables={"self": _DYN, "oldSelf": _DYN, "oldSelves": _LIST},
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_math.ExtMath(),
            ext_encoders.ExtEncoders(),
            cel.CelExtension("kubernetes", cel_library.functions()),
        ],
    )
