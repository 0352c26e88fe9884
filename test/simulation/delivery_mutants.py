"""Ways to break the promise about messages at contact channels that people are tempted by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import HumanRequest
from kubechain.controllers import inquiries
from kubechain.controllers.frame import Again, Done, Settled, StatusWriter, next_version
from kubechain.controllers.humanrequest import decide, deliveries
from kubechain.controllers.humanrequest.delivering import Deliverer
from kubechain.controllers.humanrequest.due import Due
from kubechain.controllers.humanrequest.steps import CloseDelivery, Deliver
from test.simulation.mutant import Mutant

_write = StatusWriter[HumanRequest].write


async def _claim_nothing(self: StatusWriter[HumanRequest], obj: Any, settled: Settled) -> Any:
    """Send, then record."""
    claims = [one for one in settled.status.get("deliveries", ()) if one.state == "Sending"]
    return next_version(obj, settled) if claims else await _write(self, obj, settled)


async def _send_again(self: Deliverer, request: HumanRequest, step: Deliver) -> Any:
    """No look at what the channel has."""
    return await _sent(self, request, Deliver(step.contact, step.claim, is_unclear=False))


_sent = Deliverer._sent  # pyright: ignore[reportPrivateUsage]


async def _close_nothing(self: Deliverer, request: HumanRequest, step: CloseDelivery) -> Again[HumanRequest]:
    """What people read stays as it is."""
    return Again(await self.writer.write(request, deliveries.closed(request, step.delivery, None, self.clock.now())))


def _forget(request: HumanRequest, contact: ContactChannel | None, now: datetime) -> Done:
    """A request that is over needs nothing more."""
    del request, contact, now
    return Done()


_next_delivery = deliveries.next_delivery


def _remind_always(request: HumanRequest, due: Due, now: datetime) -> Any:
    """The reminder, whether it was sent or not."""
    if not due.is_reminder:
        return _next_delivery(request, due, now)
    others = [one for one in request.status.deliveries if not one.reminder]
    return _next_delivery(request.with_status(deliveries=tuple(others)), due, now)


def _unheld(*_: object) -> tuple[str, ...]:
    """The garbage collector takes a request at once."""
    return ()


def _held(*_: object) -> bool:
    """Nobody adds the finalizer later either."""
    return True


def _stay(*_: object) -> None:
    """A request stays for as long as its channel is down."""


ALL = (
    Mutant("sends-then-records", ((StatusWriter, "write", _claim_nothing),), "delivered"),
    Mutant("no-look-up", ((Deliverer, "_sent", _send_again),), "delivered", ("after", "lost")),
    Mutant("closes-nothing", ((Deliverer, "close", _close_nothing),), "delivered"),
    Mutant("forgets-the-end", ((decide, "next_closing", _forget),), "delivered-expires"),
    Mutant("reminds-again", ((deliveries, "next_delivery", _remind_always),), "delivered-reminder"),
    Mutant(
        "unheld-request",
        ((inquiries, "_finalizers", _unheld), (decide, "is_held", _held)),
        "run-deleted-while-delivering",
    ),
    Mutant("held-for-ever", ((deliveries, "deletion_left_seconds", _stay),), "delivered-run-deleted-channel-down"),
    Mutant("void-too-soon", ((deliveries, "CLAIM_SECONDS", 1.0),), "rivals-delivered", ("crashes", "stale")),
)
