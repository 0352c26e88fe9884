"""Named checks behind /healthz and /readyz, as kube-apiserver and controller-runtime show them."""

from __future__ import annotations

from collections.abc import Callable

Check = Callable[[], str]
"""Returns what is wrong, empty when nothing is; never waits."""


class Checks:
    """The checks of one endpoint."""

    def __init__(self) -> None:
        """Start without checks: healthy."""
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check, or replace the one of this name."""
        self._checks[name] = check

    def failures(self) -> dict[str, str]:
        """Return what is wrong, by name."""
        return {name: problem for name, check in self._checks.items() if (problem := check())}
