"""What a Tool's spec and references mean for it: pure, complete by type check."""

from __future__ import annotations

from kubechain.api.meta import StatusType
from kubechain.controllers.tool.observe import Observed
from kubechain.controllers.validation import Accept, Refuse, Step, Wait


def decide(observed: Observed) -> Step:
    """The next step for one Tool."""
    if observed.trouble:
        return Refuse(observed.trouble)
    if observed.missing_secret:
        return Refuse(observed.missing_secret)
    reference = observed.tool.spec.agent_ref
    if reference is None:
        return Accept()
    if observed.agent is None:
        return Refuse(f'Agent "{reference.name}" not found')
    if observed.agent.status.status != StatusType.READY:
        return Wait(f'Waiting for Agent "{reference.name}" to become ready')
    return Accept()
