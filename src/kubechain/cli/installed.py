"""Reads from the Deployment of a manager how it was started. No effects."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubechain.cli.flags import NAMESPACES, NAMESPACES_ALIASES, names, variable_of
from kubechain.controllers.workloads import Deployment

_REFERENCE = re.compile(r"\$\(([^)]+)\)")


def watched(deployment: Deployment) -> tuple[str, ...]:
    """The namespaces in which the manager works; empty: all of them.

    A flag counts before its variable, as `cli.flags` reads them.
    """
    container = deployment.container
    namespace = deployment.metadata.namespace
    variables = {one.name: namespace if one.is_namespace else one.value for one in container.env}
    text = _value(container.args, NAMESPACES)
    if text is None:
        text = next(
            (variables[name] for name in (variable_of(NAMESPACES), *NAMESPACES_ALIASES) if name in variables), ""
        )
    return names(_REFERENCE.sub(lambda found: variables.get(found[1], found[0]), text))


def _value(arguments: Sequence[str], flag: str) -> str | None:
    """The value of a flag, `--flag=value` or `--flag value`; the last one counts."""
    value = None
    for position, argument in enumerate(arguments):
        if argument == flag:
            value = "".join(arguments[position + 1 : position + 2])
        elif argument.startswith(f"{flag}="):
            value = argument.removeprefix(f"{flag}=")
    return value
