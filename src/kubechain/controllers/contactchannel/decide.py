"""Whether a ContactChannel must be checked, and which of its blocks have no effect: pure."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.meta import StatusType
from kubechain.controllers.contactchannel import hearing
from kubechain.controllers.contactchannel.observe import Observed
from kubechain.controllers.contactchannel.steps import Check, Step, TellOfConnection
from kubechain.controllers.frame import Done, soonest


def decide(observed: Observed) -> Step | Done:
    """The next step for one channel."""
    checked = observed.checked
    if checked is None or checked.fingerprint != observed.fingerprint:
        return Check(attempt=1)
    if not hearing.is_told(observed.channel, observed.hearing):
        return TellOfConnection()
    look_again_seconds = observed.look_again_seconds if observed.channel.status.status == StatusType.ERROR else None
    if checked.recheck_at is None:
        return Done(look_again_seconds)
    if observed.monotonic_now < checked.recheck_at:
        return Done(soonest(checked.recheck_at - observed.monotonic_now, look_again_seconds))
    return Check(attempt=checked.attempt + 1)


def ignored_blocks(channel: ContactChannel) -> list[str]:
    """The blocks of the spec that belong to other types."""
    spec = channel.spec
    blocks = {"slack": spec.slack, "email": spec.email, "webhook": spec.webhook}
    return [name for name, block in blocks.items() if block is not None and name != spec.type]
