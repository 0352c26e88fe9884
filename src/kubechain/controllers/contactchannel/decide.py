"""What a ContactChannel's spec means for it: pure."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.controllers.validation import Refuse

NOT_SERVED = "this release does not ask people: nothing acts on a ContactChannel, and an Agent that names it cannot run"


def decide(channel: ContactChannel) -> Refuse:
    """The next step for one ContactChannel: each is refused, with a reason that people understand."""
    del channel
    return Refuse(NOT_SERVED)


def ignored_blocks(channel: ContactChannel) -> list[str]:
    """The blocks of the spec that belong to other types."""
    spec = channel.spec
    blocks = {"slack": spec.slack, "email": spec.email, "webhook": spec.webhook}
    return [name for name, block in blocks.items() if block is not None and name != spec.type]
