"""The table of all types of contact channels: a new one is a module and a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kubechain.humans.http import ChannelHttp
from kubechain.humans.mail import MailKind
from kubechain.humans.model import ChannelKinds
from kubechain.humans.slack import SlackKind
from kubechain.humans.socketmode import SocketMode
from kubechain.humans.webhook import WebhookKind
from kubechain.net.addresses import AddressPolicy


def kinds(policy: AddressPolicy, now: Callable[[], datetime]) -> ChannelKinds:
    """The types of channels of a manager.

    Args:
        policy: Addresses that connections are allowed to.
        now: The time, for signatures.
    """
    http = ChannelHttp(policy)
    rows = (SlackKind(http, now), WebhookKind(http, now), MailKind(policy, now))
    return ChannelKinds.of(rows, connect=SocketMode(http, policy, now).connect)
