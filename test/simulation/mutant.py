"""What a mutant of the simulation is."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

from test.simulation.plans import Fault


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken variant of the code.

    Attributes:
        patches: What is replaced, by what.
        scenario: Where it shows.
        faults: What makes it show; none: it shows without any.
    """

    name: str
    patches: tuple[tuple[Any, str, Any], ...]
    scenario: str
    faults: tuple[Fault, ...] = ()

    def applied(self) -> AbstractContextManager[ExitStack]:
        """The code as this mutant has it, while the context lasts."""
        stack = ExitStack()
        for owner, attribute, replacement in self.patches:
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        return stack
