"""Which cases there are for a server, and how one is judged. Used by pytest and by the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packages.apiserver.conformance import golden
from packages.apiserver.conformance.cases import AREAS, KUBECTL
from packages.apiserver.conformance.cases.kinds import definitions
from packages.apiserver.conformance.omissions import omitted
from packages.apiserver.conformance.runner import Run
from packages.apiserver.conformance.servers import Server, kubectls
from packages.apiserver.conformance.steps import Case, Json

__all__ = ["Entry", "definitions", "entries"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A case in its area.

    Attributes:
        kubectl: The program, for the areas of kubectl.
    """

    area: str
    case: Case
    kubectl: str = "kubectl"

    @property
    def file(self) -> str:
        """Under which name its area is recorded."""
        return re.sub(r"[^a-z0-9.]+", "-", self.area.lower())

    @property
    def expected(self) -> list[Json] | None:
        """What kube-apiserver answered; None when it was not asked yet."""
        return golden.read(self.file).get(self.case.name)

    @property
    def omission(self) -> str | None:
        """Which documented omission of the embedded server it falls under, if any."""
        return omitted(self.area, self.case.name)

    def outcomes(self, server: Server) -> list[Json]:
        """Carry it out."""
        return Run(server, self.case, kubectl=self.kubectl).outcomes()

    def differences(self, server: Server) -> list[str]:
        """Carry it out, and say what is not as recorded."""
        expected = self.expected
        if expected is None:
            return ["not recorded: python -m packages.apiserver.conformance --record"]
        return golden.differences(expected, self.outcomes(server))


def entries() -> Iterator[Entry]:
    """Yield all cases; those of kubectl for each kubectl of this machine."""
    for area, cases in AREAS.items():
        for case in cases:
            yield Entry(area, case)
    for version, program in kubectls().items():
        for case in KUBECTL:
            yield Entry(f"kubectl {version}", case, program)
