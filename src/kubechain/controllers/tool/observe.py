"""A Tool and what it refers to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kubechain.api.agent import Agent
from kubechain.api.tool import Tool


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known about a Tool.

    Attributes:
        agent: That it delegates to, if it does and the Agent exists.
        missing_secrets: Names of Secrets that it refers to and that are not there.
        trouble: Why it cannot be carried out as it is specified or equipped; empty when it can.
    """

    tool: Tool
    agent: Agent | None = None
    missing_secrets: tuple[str, ...] = ()
    trouble: str = ""


Check = Callable[[Tool], Awaitable[str]]
"""Says why a Tool cannot be carried out here, empty when it can; calls nothing that the Tool names."""


def secret_names(tool: Tool) -> list[str]:
    """The Secrets that a Tool refers to."""
    execute = tool.spec.execute
    if execute is None:
        return []
    names: list[str] = []
    if execute.external_api is not None:
        api = execute.external_api
        names += [api.credentials_from.name] if api.credentials_from else []
        names += [entry.value_from.secret_key_ref.name for entry in api.headers if entry.value_from]
    if execute.container is not None:
        names += [entry.value_from.secret_key_ref.name for entry in execute.container.env if entry.value_from]
    return names
