"""Which tools of a server are offered to models, and what people are told about the others: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from kubechain.api import globs
from kubechain.mcp.model import Flaw, ToolInfo
from kubechain.net import foreign, toolschemas
from kubechain.tools.arguments import check_schema
from kubechain.tools.model import InvalidSchema
from kubechain.tools.parameters import check_callable

T = TypeVar("T")

_NAMED = 10
"""How many tools a message names; the rest is counted."""

_NAME_CHARACTERS = 80
_WHAT_CHARACTERS = 160


def of(tools: Iterable[ToolInfo], flaws: Sequence[Flaw]) -> tuple[tuple[ToolInfo, ...], tuple[Flaw, ...]]:
    """Return the tools whose arguments can be checked, with repaired schemas where necessary, and all flaws.

    A call of any other tool could only fail, since its arguments are validated before it is made.
    """
    usable: list[ToolInfo] = []
    found: list[Flaw] = []
    for tool in tools:
        reason = _why_unusable(tool.input_schema)
        chosen = replace(tool, input_schema=toolschemas.repaired(tool.input_schema)) if reason else tool
        is_left_out = bool(reason) and bool(_why_unusable(chosen.input_schema))
        if not is_left_out:
            usable.append(chosen)
        if reason:
            found.append(Flaw(tool.name, f"its inputSchema: {reason}", is_left_out=is_left_out))
    return tuple(usable), (*flaws, *found)


def _why_unusable(schema: Mapping[str, Any]) -> str:
    """Return why no call could satisfy a schema, or none could be checked; empty if calls are possible."""
    try:
        check_schema(schema)
        check_callable(schema)
    except InvalidSchema as error:
        return str(error).removeprefix("parameters: ")
    return ""


def left_out(flaws: Iterable[Flaw]) -> str:
    """Name the tools that are not offered, with the reasons; empty if there are none."""
    return _named("Not offered", [flaw for flaw in flaws if flaw.is_left_out])


def repaired(flaws: Iterable[Flaw]) -> str:
    """Name what was repaired or ignored in tools that are offered; empty if nothing was."""
    return _named("Repaired", [flaw for flaw in flaws if not flaw.is_left_out])


def unmatched(patterns: Iterable[str], tools: Sequence[ToolInfo]) -> str:
    """Name what `tools.idempotent` lists in vain, so that nobody relies on it; empty if there is nothing."""
    vain = [pattern for pattern in patterns if not any(globs.matches(pattern, tool.name) for tool in tools)]
    named = _listed(vain, _quoted, between=", ", before_rest=" ")
    return f"spec.tools.idempotent: no tool that is offered has the name {named}" if vain else ""


def _named(what: str, flaws: Sequence[Flaw]) -> str:
    return f"{what}: {_listed(flaws, _text, between='; ', before_rest='; ')}" if flaws else ""


def _listed(items: Sequence[T], text: Callable[[T], str], *, between: str, before_rest: str) -> str:
    """The first of the items, and how many more there are."""
    named = between.join(map(text, islice(items, _NAMED)))
    return f"{named}{before_rest}and {len(items) - _NAMED} more" if len(items) > _NAMED else named


def _quoted(name: str) -> str:
    return f'"{foreign.one_line(name, _NAME_CHARACTERS)}"'


def _text(flaw: Flaw) -> str:
    return f"{_quoted(flaw.tool)}: {foreign.one_line(flaw.what, _WHAT_CHARACTERS)}"
