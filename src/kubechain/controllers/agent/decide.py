"""What an Agent's dependencies mean for it: pure, complete by type check."""

from __future__ import annotations

from kubechain.controllers.agent.observe import Dependency, Observed
from kubechain.controllers.validation import Accept, Refuse, Step, Wait
from kubechain.tools import typedanswers


def decide(observed: Observed) -> Step:
    """The next step for one Agent: a broken dependency refuses it, one that is not ready makes it wait."""
    if not observed.agent.spec.system.strip():
        return Refuse("spec.system must not be empty")
    if flaw := typedanswers.flaw(observed.agent.spec.output_schema):
        return Refuse(flaw)
    if observed.cycle:
        return Refuse(f"agents delegate to each other in a ring: {' -> '.join(observed.cycle)}")
    if observed.doubled:
        return Refuse(f'two tools are offered as "{observed.doubled[0]}": rename one of them')
    for dependency in observed.dependencies:
        if dependency.is_broken:
            return Refuse(_trouble(dependency))
    for dependency in observed.dependencies:
        if not dependency.is_ready:
            return Wait(f'Waiting for {dependency.kind} "{dependency.name}" to become ready')
    return Accept()


def _trouble(dependency: Dependency) -> str:
    if dependency.found is None and dependency.belongs is not None:
        place = dependency.belongs
        return (
            f'{dependency.kind} "{dependency.name}" not found; {place.kind} "{dependency.name}" exists: '
            f"list it under {place.field}"
        )
    if dependency.found is None:
        return f'{dependency.kind} "{dependency.name}" not found'
    return f'{dependency.kind} "{dependency.name}" is not ready: {dependency.found.status.status_detail}'
