"""The index of requests that their channel may still change, and the map from a changed channel to them."""

from __future__ import annotations

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest
from kubechain.controllers.humanrequest.deliveries import open_delivery
from kubechain.runtime.keys import Request
from kubechain.runtime.store import Lister

BY_NAMESPACE = "unfinished-requests"


def unfinished_index(request: HumanRequest) -> list[str]:
    """Requests that are open, or whose message does not say yet how they ended, by namespace."""
    return [] if request.status.is_over and open_delivery(request) is None else [request.metadata.namespace]


def unfinished(requests: Lister[HumanRequest], channel: ContactChannel) -> list[Request]:
    """The requests that wait for a channel to be made or repaired."""
    found = requests.by_index(BY_NAMESPACE, channel.metadata.namespace)
    return [Request(one.metadata.namespace, one.metadata.name) for one in found]
